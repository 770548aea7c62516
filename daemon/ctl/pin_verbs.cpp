// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <vector>

#include "ctl/command.h"
#include "ctl/fields.h"
#include "ctl/file_name.h"
#include "ctl/size_options.h"
#include "ctl/sizes.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

namespace mmapdirfs::ctl {
namespace {

// Adds all results of a command, in their order; those before a failure, too.
Outcome<Ending> ask_all(Context& context, const CommandText& command, std::vector<Json>& results) {
  return run_command(*context.channel, command,
                     {.result = [&](const Json& result) { results.push_back(result); }});
}

std::string size_of(const Json& object, const char* name) {
  return format_size(number_of(object, name));
}

// What a file's pages are kept for; empty where all that was intended is pinned.
std::string reason_of(const Json& file, Charset charset) {
  return printable(text_of(file, "reason"), charset);
}

std::string table_of(const std::vector<Json>& files, Charset charset) {
  std::vector<std::vector<std::string>> rows;
  rows.reserve(files.size());
  for (const auto& file : files) {
    rows.push_back({file_name(file, charset), size_of(file, "intended_bytes"),
                    size_of(file, "pinned_bytes"), reason_of(file, charset),
                    printable(text_of(file, "pattern"), charset)});
  }
  return format_table({{.title = "FILE"},
                       {.title = "INTENDED", .align = Align::kRight},
                       {.title = "PINNED", .align = Align::kRight},
                       {.title = "SHORT BY"},
                       {.title = "PATTERN"}},
                      rows);
}

void write_lines(const std::vector<Json>& results, Context& context) {
  for (const auto& result : results) {
    context.out << to_line(result);
  }
}

}  // namespace

Outcome<int> run_pin(const Invocation& invocation, Context& context) {
  CommandText command("pin");
  if (const auto added = add_memory_option(invocation, "budget", command); !added) {
    return std::unexpected(added.error());
  }
  std::vector<Json> results;
  const auto ending = ask_all(context, command.words(invocation.words), results);
  // Of some files it may be known, of others not.
  if (!ending && results.empty()) {
    return std::unexpected(ending.error());
  }
  const Json total = results.empty() ? Json::object() : results.back();
  const bool is_short = number_of(total, "pinned_bytes") < number_of(total, "intended_bytes");
  if (invocation.json) {
    write_lines(results, context);
  } else {
    if (!results.empty()) {
      results.pop_back();
    }
    context.out << table_of(results, context.out_terminal.charset)
                << fmt::format("pinned {} of {} intended, {}\n", size_of(total, "pinned_bytes"),
                               size_of(total, "intended_bytes"),
                               counted(number_of(total, "files"), "file"));
  }
  if (!ending) {
    return std::unexpected(ending.error());
  }
  return is_short ? kFailureStatus : 0;
}

Outcome<int> run_unpin(const Invocation& invocation, Context& context) {
  const auto result = ask(*context.channel, CommandText("unpin").words(invocation.words));
  if (!result) {
    return std::unexpected(result.error());
  }
  context.out << (invocation.json ? to_line(*result)
                                  : fmt::format("unpinned {} of {}\n", size_of(*result, "bytes"),
                                                counted(number_of(*result, "files"), "file")));
  return 0;
}

Outcome<int> run_pins(const Invocation& invocation, Context& context) {
  std::vector<Json> results;
  if (const auto ending = ask_all(context, CommandText("pins"), results); !ending) {
    return std::unexpected(ending.error());
  }
  if (invocation.json) {
    write_lines(results, context);
  } else {
    context.out << (results.empty() ? "nothing is pinned\n"
                                    : table_of(results, context.out_terminal.charset));
  }
  return 0;
}

}  // namespace mmapdirfs::ctl
