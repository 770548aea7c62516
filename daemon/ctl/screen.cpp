// SPDX-License-Identifier: MIT
#include "ctl/screen.h"

#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <string_view>

#include "ctl/stop_signals.h"

namespace mmapdirfs::ctl {
namespace {

// Of xterm, and of every terminal since: alternate screen, cursor, clearing (ctlseqs.ms).
constexpr const char* kEnter = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J";
constexpr const char* kLeave = "\x1b[?25h\x1b[?1049l";
constexpr const char* kHome = "\x1b[H";
constexpr const char* kClearRight = "\x1b[K";
constexpr const char* kClearBelow = "\x1b[J";
constexpr const char* kInverse = "\x1b[7m";
constexpr const char* kPlain = "\x1b[0m";

// A signal handler reaches nothing else.
volatile std::sig_atomic_t stop_asked = 0;

void handle_stop(int /*number*/) { stop_asked = 1; }
// It is enough that the call that waits returns.
void handle_resize(int /*number*/) {}

void install(int number, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  ::sigaction(number, &action, nullptr);
}

}  // namespace

Screen::Screen(int input, int output) : input_(input), output_(output) {
  termios modes{};
  if (::tcgetattr(input, &modes) == 0) {
    before_ = modes;
  }
  install(SIGWINCH, handle_resize);
  install(SIGTSTP, handle_stop);
  enter();
}

Screen::~Screen() {
  leave();
  install(SIGWINCH, SIG_DFL);
  install(SIGTSTP, SIG_DFL);
}

void Screen::enter() const {
  if (before_) {
    termios modes = *before_;
    modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(input_, TCSAFLUSH, &modes);
  }
  write_all(kEnter);
}

void Screen::leave() const {
  write_all(kLeave);
  if (before_) {
    ::tcsetattr(input_, TCSAFLUSH, &*before_);
  }
}

void Screen::write_all(const std::string& text) const {
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto count = ::write(output_, rest.data(), rest.size());
    if (count <= 0) {
      return;  // the terminal is gone, which a signal says as well
    }
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
}

void Screen::draw(const std::vector<std::string>& lines) const {
  std::string text = kHome;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    // The second line is the heading of the table.
    const bool is_heading = i == 1;
    text += (i == 0 ? "" : "\r\n");
    text += is_heading ? kInverse + lines[i] + kPlain : lines[i];
    text += kClearRight;
  }
  write_all(text + kClearBelow);
}

Screen::Event Screen::wait(std::chrono::milliseconds time) const {
  pollfd keys{.fd = before_ ? input_ : -1, .events = POLLIN, .revents = 0};
  const int ready = ::poll(&keys, 1, static_cast<int>(time.count()));
  if (StopSignals::caught() != 0) {
    return Event::kQuit;
  }
  if (stop_asked != 0) {
    stop_asked = 0;
    leave();
    ::raise(SIGSTOP);
    enter();
    return Event::kChange;
  }
  if (ready == 0) {
    return Event::kTime;
  }
  char key = 0;
  if (ready > 0 && (::read(input_, &key, 1) <= 0 || key == 'q' || key == 'Q')) {
    return Event::kQuit;
  }
  return Event::kChange;
}

}  // namespace mmapdirfs::ctl
