// SPDX-License-Identifier: MIT
#include "ctl/command.h"
#include "ctl/fields.h"
#include "ctl/file_name.h"
#include "ctl/sizes.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

namespace mmapdirfs::ctl {
namespace {

std::vector<std::string> to_row(const Json& file, Charset charset) {
  const auto size = number_of(file, "size");
  return {file_name(file, charset),
          format_size(size),
          format_share(known_number_of(file, "resident_bytes"), size),
          format_size(number_of(file, "pinned_bytes")),
          format_count(number_of(file, "opens")),
          format_count(number_of(file, "reads")),
          format_size(number_of(file, "read_bytes")),
          printable(text_of(file, "read_path"), charset)};
}

}  // namespace

Outcome<int> run_files(const Invocation& invocation, Context& context) {
  const auto files = read_lines(*context.channel, "files");
  if (!files) {
    return std::unexpected(files.error());
  }
  if (invocation.json) {
    for (const auto& file : *files) {
      context.out << to_line(file);
    }
    return 0;
  }
  if (files->empty()) {
    context.out << "no file is open or mapped\n";
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& file : *files) {
    rows.push_back(to_row(file, context.out_terminal.charset));
  }
  context.out << format_table({{.title = "FILE"},
                               {.title = "SIZE", .align = Align::kRight},
                               {.title = "RESIDENT", .align = Align::kRight},
                               {.title = "PINNED", .align = Align::kRight},
                               {.title = "OPENS", .align = Align::kRight},
                               {.title = "READS", .align = Align::kRight},
                               {.title = "READ", .align = Align::kRight},
                               {.title = "PATH"}},
                              rows);
  return 0;
}

}  // namespace mmapdirfs::ctl
