// SPDX-License-Identifier: MIT
#include "ctl/top_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ranges>
#include <tuple>

#include "ctl/fields.h"
#include "ctl/file_name.h"
#include "ctl/sizes.h"

namespace mmapdirfs::ctl {
namespace {

constexpr std::size_t kFigureColumns = 64;  // those of kRow before the name
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

std::string row(const FileActivity& file) {
  const bool unknown = is_uncounted(file);
  return fmt::format(
      "{:>9} {:>11} {:>9} {:>9} {:>10}  {:<11}  ", unknown ? "-" : whole(file.reads_per_second),
      unknown ? "-" : bytes_rate(file.bytes_per_second), unknown ? "-" : format_count(file.reads),
      format_size(file.size), format_share(file.resident_bytes, file.size), file.read_path);
}

std::string heading() {
  return fmt::format("{:>9} {:>11} {:>9} {:>9} {:>10}  {:<11}  ", "READS/S", "BYTES/S", "READS",
                     "SIZE", "RESIDENT", "PATH");
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
  const auto columns = static_cast<std::size_t>(terminal.columns);
  const auto name_columns =
      columns > kFigureColumns + kLeastName ? columns - kFigureColumns : kLeastName;
  const auto cut = [&](const std::string& line) {
    auto fitting = fit(line, std::min(columns, columns_of(line)), terminal.charset);
    fitting.erase(fitting.find_last_not_of(' ') + 1);
    return fitting;
  };
  std::vector<std::string> lines = {
      cut(fmt::format("{}  {}  {} reads/s  {}", title, counted(files.size(), "file"), whole(reads),
                      bytes_rate(bytes))),
      cut(heading() + "FILE")};
  for (const auto& file : files | std::views::take(most_rows)) {
    const auto width = std::min(name_columns, columns_of(file.name));
    lines.push_back(cut(row(file) + fit(file.name, width, terminal.charset)));
  }
  return lines;
}

}  // namespace mmapdirfs::ctl
