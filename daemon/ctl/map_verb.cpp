// SPDX-License-Identifier: MIT
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <system_error>

#include "ctl/command.h"
#include "ctl/fields.h"
#include "ctl/printable.h"
#include "ctl/residency_page.h"
#include "ctl/residency_text.h"
#include "ctl/sizes.h"
#include "ctl/verbs.h"

namespace mmapdirfs::ctl {
namespace {

constexpr std::uint64_t kMaxCells = 4096;
constexpr std::uint64_t kPageCells = 256;
constexpr std::uint64_t kJsonCells = 64;

FileResidency to_residency(const Json& file) {
  FileResidency residency{.path = text_of(file, "path"),
                          .size = number_of(file, "size"),
                          .resident_bytes = number_of(file, "resident_bytes"),
                          .cells = {}};
  for (const auto& cell : part_of(file, "cells")) {
    const auto percent = cell.is_number_unsigned() ? cell.get<std::uint64_t>() : 0;
    residency.cells.push_back(static_cast<unsigned>(std::min<std::uint64_t>(percent, 100)));
  }
  return residency;
}

// In how many parts each file is asked for: as many as can be shown.
Outcome<std::uint64_t> cells_of(const Invocation& invocation, const Context& context) {
  if (const auto given = invocation.option("cells")) {
    const auto number = parse_size(*given);
    if (!number || *number == 0 || *number > kMaxCells) {
      return fail(fmt::format("--cells={}: allowed is a whole number from 1 to {}",
                              printable(*given), kMaxCells),
                  kUsageStatus);
    }
    return *number;
  }
  if (invocation.has("svg") || invocation.has("html")) {
    return kPageCells;
  }
  return invocation.json ? kJsonCells : context.out_terminal.columns;
}

Outcome<void> write_file(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  if (!file) {
    return fail(fmt::format("'{}' can't be written: {}", printable(path),
                            std::generic_category().message(errno)));
  }
  return {};
}

Outcome<void> write_pages(const std::vector<FileResidency>& files, const Invocation& invocation,
                          Context& context) {
  const ResidencyPage page{
      .title = "What is in memory of " + invocation.mountpoint,
      .when = fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(std::time(nullptr)))};
  for (const auto& [option, draw] :
       {std::pair("svg", &residency_svg), std::pair("html", &residency_html)}) {
    const auto path = invocation.option(option);
    if (!path) {
      continue;
    }
    if (const auto written = write_file(*path, draw(files, page)); !written) {
      return written;
    }
    context.messages << fmt::format("wrote {}\n", printable(*path));
  }
  return {};
}

}  // namespace

Outcome<int> run_map(const Invocation& invocation, Context& context) {
  const auto cells = cells_of(invocation, context);
  if (!cells) {
    return std::unexpected(cells.error());
  }
  const auto command =
      CommandText("map").option("cells", std::to_string(*cells)).words(invocation.words);
  std::vector<FileResidency> files;
  const auto ending = run_command(*context.channel, command, {.result = [&](const Json& file) {
    files.push_back(to_residency(file));
    if (invocation.json) {
      context.out << to_line(file);
    }
  }});
  if (!ending && files.empty()) {
    return std::unexpected(ending.error());
  }
  if (invocation.has("svg") || invocation.has("html")) {
    if (const auto written = write_pages(files, invocation, context); !written) {
      return std::unexpected(written.error());
    }
  } else if (!invocation.json) {
    context.out << residency_text(files, context.out_terminal);
  }
  // Of some files it may be known, of others not.
  return ending ? Outcome<int>(0) : std::unexpected(ending.error());
}

}  // namespace mmapdirfs::ctl
