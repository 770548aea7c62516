// SPDX-License-Identifier: MIT
#include "ctl/top_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string_view>
#include <tuple>

#include "ctl/fields.h"
#include "ctl/file_name.h"
#include "ctl/printable.h"
#include "ctl/sizes.h"
#include "ctl/table.h"

namespace mmapdirfs::ctl {
namespace {

constexpr std::size_t kLeastName = 10;

double rate_of(std::uint64_t now, std::uint64_t before, double seconds) {
  // A counter that runs backwards belongs to a file that took over the number.
  const auto more = now >= before ? now - before : now;
  return seconds > 0 ? static_cast<double>(more) / seconds : 0;
}

std::uint64_t rounded(double rate) { return static_cast<std::uint64_t>(std::llround(rate)); }

std::string whole(double rate) { return format_count(rounded(rate)); }

std::string bytes_rate(double rate) { return format_size(rounded(rate)) + "/s"; }

// The kernel reads these files itself, and nobody counts.
bool is_uncounted(const FileActivity& file) {
  return file.read_path == "passthrough" && file.reads == 0;
}

struct FigureColumn {
  std::string_view title;
  std::size_t width;  // at least; a figure that needs more has it
  Align align;
  std::string (*text)(const FileActivity&);
};

// From left to right.
constexpr std::array kFigures{
    FigureColumn{
        .title = "READS/S",
        .width = 8,
        .align = Align::kRight,
        .text = [](const auto& f) { return is_uncounted(f) ? "-" : whole(f.reads_per_second); }},
    FigureColumn{
        .title = "BYTES/S",
        .width = 11,
        .align = Align::kRight,
        .text =
            [](const auto& f) { return is_uncounted(f) ? "-" : bytes_rate(f.bytes_per_second); }},
    FigureColumn{
        .title = "READS",
        .width = 9,
        .align = Align::kRight,
        .text = [](const auto& f) { return is_uncounted(f) ? "-" : format_count(f.reads); }},
    FigureColumn{.title = "SIZE",
                 .width = 9,
                 .align = Align::kRight,
                 .text = [](const auto& f) { return format_size(f.size); }},
    FigureColumn{.title = "RESIDENT",
                 .width = 10,
                 .align = Align::kRight,
                 .text = [](const auto& f) { return format_share(f.resident_bytes, f.size); }},
    FigureColumn{.title = "PATH",
                 .width = 11,
                 .align = Align::kLeft,
                 .text = [](const auto& f) { return f.read_path; }},
};

// What a narrow terminal does without, the least first: places in kFigures.
constexpr std::array<std::size_t, kFigures.size()> kDroppedFirst{5, 3, 2, 4, 1, 0};

struct ShownFigure {
  const FigureColumn* column;
  std::size_t width;
};

// Right-aligned cells bring blanks with them as a rule, so that one more is enough.
std::size_t gap_before(const FigureColumn& column) { return column.align == Align::kRight ? 1 : 2; }

constexpr std::size_t kGapBeforeName = 2;

std::size_t columns_before_name(const std::vector<ShownFigure>& figures) {
  std::size_t columns = kGapBeforeName;
  for (const auto& figure : figures) {
    columns += gap_before(*figure.column) + figure.width;
  }
  return columns;
}

// As many as leave room for a name, each as wide as its widest figure.
std::vector<ShownFigure> figures_for(std::span<const FileActivity> files, std::size_t columns) {
  std::vector<ShownFigure> shown;
  for (const auto& column : kFigures) {
    std::size_t width = column.width;
    for (const auto& file : files) {
      width = std::max(width, columns_of(column.text(file)));
    }
    shown.push_back({.column = &column, .width = width});
  }
  for (const std::size_t dropped : kDroppedFirst) {
    if (columns_before_name(shown) + kLeastName <= columns) {
      break;
    }
    std::erase_if(shown, [&](const auto& each) { return each.column == &kFigures.at(dropped); });
  }
  return shown;
}

// The cells of the figures, of which a file has each and the heading its title, and then a name.
template <class Cell>
std::string row(const std::vector<ShownFigure>& figures, Cell cell_of, const std::string& name) {
  std::string line;
  for (const auto& figure : figures) {
    const std::string cell(cell_of(*figure.column));
    const std::string blanks(figure.width - columns_of(cell), ' ');
    line += std::string(gap_before(*figure.column), ' ');
    line += figure.column->align == Align::kRight ? blanks + cell : cell + blanks;
  }
  return line + std::string(kGapBeforeName, ' ') + name;
}

}  // namespace

std::vector<FileActivity> ActivityMeter::take(const std::vector<nlohmann::json>& files,
                                              double seconds) {
  std::vector<FileActivity> activities;
  activities.reserve(files.size());
  std::map<std::uint64_t, Counters> counters;
  for (const auto& file : files) {
    const auto inode = number_of(file, "inode");
    const Counters now{.reads = number_of(file, "reads"), .bytes = number_of(file, "read_bytes")};
    const auto before = last_.contains(inode) ? last_.at(inode) : Counters{};
    counters[inode] = now;
    activities.push_back({.name = file_name(file, charset_),
                          .inode = inode,
                          .size = number_of(file, "size"),
                          .resident_bytes = known_number_of(file, "resident_bytes"),
                          .reads = now.reads,
                          .reads_per_second = rate_of(now.reads, before.reads, seconds),
                          .bytes_per_second = rate_of(now.bytes, before.bytes, seconds),
                          .read_path = printable(text_of(file, "read_path"), charset_)});
  }
  last_ = std::move(counters);
  std::ranges::sort(activities, [](const FileActivity& a, const FileActivity& b) {
    return std::tie(b.reads_per_second, b.reads, a.name) <
           std::tie(a.reads_per_second, a.reads, b.name);
  });
  return activities;
}

std::vector<std::string> top_lines(const std::string& title, const std::vector<FileActivity>& files,
                                   const Terminal& terminal, std::size_t most_rows) {
  double reads = 0;
  double bytes = 0;
  for (const auto& file : files) {
    reads += file.reads_per_second;
    bytes += file.bytes_per_second;
  }
  const std::size_t columns = terminal.columns;
  const auto cut = [&](const std::string& text, std::size_t room) {
    return fit(text, std::min(room, columns_of(text)), terminal.charset);
  };
  const auto shown = std::span(files).first(std::min(most_rows, files.size()));
  const auto figures = figures_for(shown, columns);
  const auto name_columns = columns - columns_before_name(figures);
  std::vector<std::string> lines = {
      cut(fmt::format("{}  {}  {} reads/s  {}", title, counted(files.size(), "file"), whole(reads),
                      bytes_rate(bytes)),
          columns),
      row(figures, [](const auto& column) { return column.title; }, "FILE")};
  for (const auto& file : shown) {
    lines.push_back(row(
        figures, [&](const auto& column) { return column.text(file); },
        cut(file.name, name_columns)));
  }
  return lines;
}

}  // namespace mmapdirfs::ctl
