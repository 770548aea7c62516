// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <thread>

#include "ctl/command.h"
#include "ctl/fields.h"
#include "ctl/printable.h"
#include "ctl/screen.h"
#include "ctl/stop_signals.h"
#include "ctl/top_picture.h"
#include "ctl/verbs.h"

namespace mmapdirfs::ctl {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr double kDefaultInterval = 2;
constexpr double kLeastInterval = 0.1;
constexpr double kMostInterval = 3600;
constexpr std::size_t kTitleRows = 2;

Outcome<Milliseconds> interval_of(const Invocation& invocation) {
  const auto given = invocation.option("interval");
  double seconds = kDefaultInterval;
  if (given) {
    const auto* const end = given->data() + given->size();
    const auto parsed = std::from_chars(given->data(), end, seconds, std::chars_format::fixed);
    if (parsed.ec != std::errc{} || parsed.ptr != end || !(seconds >= kLeastInterval) ||
        seconds > kMostInterval) {
      return fail(fmt::format("--interval={}: allowed are {} to {} seconds", printable(*given),
                              kLeastInterval, kMostInterval),
                  kUsageStatus);
    }
  }
  return std::chrono::duration_cast<Milliseconds>(std::chrono::duration<double>(seconds));
}

// Looks at a mount's files again and again.
class Observer {
 public:
  Observer(ControlChannel& channel, Charset charset) : channel_(channel), meter_(charset) {}

  Outcome<std::vector<FileActivity>> look() {
    const auto files = read_lines(channel_, "files");
    if (!files) {
      return std::unexpected(files.error());
    }
    const auto now = Clock::now();
    const auto seconds = last_ ? std::chrono::duration<double>(now - *last_).count() : 0;
    last_ = now;
    return meter_.take(*files, seconds);
  }

 private:
  ControlChannel& channel_;
  ActivityMeter meter_;
  std::optional<Clock::time_point> last_;
};

Json to_json(const FileActivity& file) {
  return {{"path", file.name},
          {"inode", file.inode},
          {"size", file.size},
          {"resident_bytes", file.resident_bytes ? Json(*file.resident_bytes) : Json()},
          {"reads", file.reads},
          {"reads_per_second", file.reads_per_second},
          {"bytes_per_second", file.bytes_per_second},
          {"read_path", file.read_path}};
}

Outcome<int> show_once(const Invocation& invocation, Context& context, Milliseconds interval) {
  Observer observer(*context.channel, context.out_terminal.charset);
  auto files = observer.look();
  if (files) {
    std::this_thread::sleep_for(interval);
    files = observer.look();
  }
  if (!files) {
    return std::unexpected(files.error());
  }
  if (invocation.json) {
    for (const auto& file : *files) {
      context.out << to_line(to_json(file));
    }
    return 0;
  }
  for (const auto& line : top_lines(printable(invocation.mountpoint, context.out_terminal.charset),
                                    *files, context.out_terminal, files->size())) {
    context.out << line << '\n';
  }
  return 0;
}

// Until the user has seen enough. A failure is told once the screen is as it was before.
Outcome<void> watch(const Invocation& invocation, Context& context, Milliseconds interval) {
  const Screen screen(STDIN_FILENO, STDOUT_FILENO);
  Observer observer(*context.channel, context.out_terminal.charset);
  auto files = observer.look();
  for (;;) {
    if (StopSignals::caught() != 0) {
      return {};
    }
    if (!files) {
      return std::unexpected(files.error());
    }
    // It may have been resized since.
    const auto terminal = detect_terminal(STDOUT_FILENO);
    const auto room = terminal.rows > kTitleRows ? terminal.rows - kTitleRows : 1;
    screen.draw(top_lines(printable(invocation.mountpoint, terminal.charset) + "  (q quits)",
                          *files, terminal, room));
    switch (screen.wait(interval)) {
      case Screen::Event::kQuit:
        return {};
      case Screen::Event::kTime:
        files = observer.look();
        break;
      case Screen::Event::kChange:
        break;
    }
  }
}

}  // namespace

Outcome<int> run_top(const Invocation& invocation, Context& context) {
  const auto interval = interval_of(invocation);
  if (!interval) {
    return std::unexpected(interval.error());
  }
  if (!context.out_terminal.is_terminal || invocation.json || invocation.has("once")) {
    return show_once(invocation, context, *interval);
  }
  int signal = 0;
  {
    const StopSignals signals;
    const auto watched = watch(invocation, context, *interval);
    signal = StopSignals::caught();
    if (!watched && signal == 0) {
      return std::unexpected(watched.error());
    }
  }
  // Ctrl-C is a way to quit; the others say that somebody wanted the program to end by them.
  if (signal != 0 && signal != SIGINT) {
    ::raise(signal);
  }
  return 0;
}

}  // namespace mmapdirfs::ctl
