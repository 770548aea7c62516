// SPDX-License-Identifier: MIT
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ctime>
#include <string>
#include <vector>

#include "ctl/command.h"
#include "ctl/fields.h"
#include "ctl/printable.h"
#include "ctl/sizes.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

namespace mmapdirfs::ctl {
namespace {

std::string count_of(const Json& object, const char* name) {
  return format_count(number_of(object, name));
}

std::string size_of(const Json& object, const char* name) {
  return format_size(number_of(object, name));
}

// "label      text", so that all texts begin in one column.
class Summary {
 public:
  explicit Summary(Charset charset) : charset_(charset) {}

  void add(std::string_view label, const std::string& text) {
    text_ += fmt::format("{:<14}{}\n", label, printable(text, charset_));
  }
  const std::string& text() const { return text_; }

 private:
  const Charset charset_;
  std::string text_;
};

void add_mount(const Json& status, Summary& summary) {
  summary.add("mount",
              fmt::format("{} on {}{}", text_of(status, "source"), text_of(status, "mountpoint"),
                          truth_of(status, "read_only") ? " (read-only)" : ""));
  summary.add("daemon",
              fmt::format("mmapdirfs {}, libfuse {}, pid {}, up {}", text_of(status, "version"),
                          text_of(status, "libfuse"), number_of(status, "pid"),
                          format_duration(number_of(status, "uptime_seconds"))));
  const auto reason = text_of(status, "read_path_reason");
  summary.add("read path", text_of(status, "read_path") + (reason.empty() ? "" : ": " + reason));
  summary.add("requests", fmt::format("over {}, by {} threads", text_of(status, "transport"),
                                      number_of(status, "threads")));
}

void add_holdings(const Json& status, Summary& summary) {
  const auto descriptors = part_of(status, "descriptors");
  summary.add(
      "open",
      fmt::format("files {}, directories {}; inodes known {}", count_of(status, "open_files"),
                  count_of(status, "open_directories"), count_of(status, "inodes")));
  summary.add("descriptors", fmt::format("{} of {}", count_of(descriptors, "used"),
                                         count_of(descriptors, "limit")));
  const auto maps = part_of(status, "mappings");
  summary.add(
      "mappings",
      fmt::format("{} of {}, {} mapped; {} hits, {} misses, {} evictions, {} refusals",
                  count_of(maps, "count"), count_of(maps, "limit"), size_of(maps, "mapped_bytes"),
                  count_of(maps, "hits"), count_of(maps, "misses"), count_of(maps, "evictions"),
                  count_of(maps, "refusals")));
  const auto locks = part_of(status, "locks");
  summary.add("locks", fmt::format("{} held, {} waited for", count_of(locks, "held"),
                                   count_of(locks, "waiting")));
}

void add_coherence(const Json& status, Summary& summary) {
  const auto watch = part_of(status, "watch");
  const auto reason = text_of(watch, "reason");
  summary.add("watch", truth_of(watch, "active")
                           ? fmt::format("{} directories, {} changes seen, {} overflows",
                                         count_of(watch, "directories"), count_of(watch, "changes"),
                                         count_of(watch, "overflows"))
                           : "off" + (reason.empty() ? "" : ": " + reason));
  const auto dropped = part_of(status, "invalidations");
  summary.add("invalidations",
              fmt::format("{} attributes, {} pages, {} names, {} listings",
                          count_of(dropped, "attributes"), count_of(dropped, "pages"),
                          count_of(dropped, "names"), count_of(dropped, "listings")));
}

void add_memory(const Json& status, Summary& summary) {
  const auto pins = part_of(status, "pins");
  summary.add("pinned", fmt::format("{} of {} intended, in {}", size_of(pins, "pinned_bytes"),
                                    size_of(pins, "intended_bytes"),
                                    counted(number_of(pins, "files"), "file")));
  const auto hot = part_of(status, "hot_set");
  if (text_of(hot, "file").empty()) {
    summary.add("hot set", "none");
    return;
  }
  const auto saved = static_cast<std::time_t>(number_of(hot, "last_saved"));
  summary.add("hot set",
              fmt::format("{} ({}), saved {}", text_of(hot, "file"), text_of(hot, "state"),
                          saved == 0 ? "never"
                                     : fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(saved))));
}

// "ENOENT 12, EACCES 1", or "-".
std::string errors_of(const Json& operation) {
  std::vector<std::string> errors;
  const auto counts = part_of(operation, "errors");
  for (const auto& [name, count] : counts.items()) {
    errors.push_back(fmt::format("{} {}", printable(name), count.dump()));
  }
  return errors.empty() ? "-" : fmt::format("{}", fmt::join(errors, ", "));
}

std::string operations_table(const Json& status) {
  std::vector<std::vector<std::string>> rows;
  const auto operations = part_of(status, "operations");
  for (const auto& [name, operation] : operations.items()) {
    const auto latency = part_of(operation, "latency_microseconds");
    rows.push_back({printable(name), count_of(operation, "count"), count_of(latency, "p50"),
                    count_of(latency, "p90"), count_of(latency, "p99"), count_of(latency, "max"),
                    errors_of(operation)});
  }
  if (rows.empty()) {
    return {};
  }
  return "\nAnswered by the daemon; times in microseconds:\n" +
         format_table({{.title = "OPERATION"},
                       {.title = "COUNT", .align = Align::kRight},
                       {.title = "P50", .align = Align::kRight},
                       {.title = "P90", .align = Align::kRight},
                       {.title = "P99", .align = Align::kRight},
                       {.title = "MAX", .align = Align::kRight},
                       {.title = "ERRORS"}},
                      rows);
}

}  // namespace

Outcome<int> run_status(const Invocation& invocation, Context& context) {
  const auto status = read_object(*context.channel, "status");
  if (!status) {
    return std::unexpected(status.error());
  }
  if (invocation.json) {
    context.out << to_line(*status);
    return 0;
  }
  Summary summary(context.out_terminal.charset);
  add_mount(*status, summary);
  add_holdings(*status, summary);
  add_coherence(*status, summary);
  add_memory(*status, summary);
  context.out << summary.text() << operations_table(*status);
  return 0;
}

}  // namespace mmapdirfs::ctl
