// SPDX-License-Identifier: MIT
#include "mount_table.h"

#include <sys/sysmacros.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <ranges>
#include <vector>

namespace mmapdirfs {
namespace {

bool is_octal(char c) { return c >= '0' && c <= '7'; }

// The kernel writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && text.size() - i > 3 && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      result.push_back(static_cast<char>(((text[i + 1] - '0') * 64) + ((text[i + 2] - '0') * 8) +
                                         (text[i + 3] - '0')));
      i += 3;
    } else {
      result.push_back(text[i]);
    }
  }
  return result;
}

// "36 35 98:0 /root /mountpoint rw,noatime master:1 - type source options"
std::optional<MountEntry> parse_line(std::string_view line) {
  std::vector<std::string_view> fields;
  for (const auto field : std::views::split(line, ' ')) {
    fields.emplace_back(field.begin(), field.end());
  }
  const auto separator = std::ranges::find(fields, "-");
  if (fields.size() < 10 || fields.end() - separator < 3) {
    return std::nullopt;
  }
  unsigned major = 0;
  unsigned minor = 0;
  if (std::sscanf(std::string(fields[2]).c_str(), "%u:%u", &major, &minor) != 2) {
    return std::nullopt;
  }
  std::uint64_t id = 0;
  std::from_chars(fields[0].data(), fields[0].data() + fields[0].size(), id);
  return MountEntry{.id = id,
                    .mountpoint = unescape(fields[4]),
                    .type = unescape(separator[1]),
                    .source = unescape(separator[2]),
                    .device = ::makedev(major, minor)};
}

Result<std::string> read_table() {
  std::ifstream file("/proc/self/mountinfo");
  if (!file) {
    return std::unexpected(Error::from_errno(errno, "read", "/proc/self/mountinfo"));
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

std::optional<MountEntry> find_mount_in(std::string_view table, std::string_view mountpoint) {
  std::optional<MountEntry> found;
  for (const auto line : std::views::split(table, '\n')) {
    auto entry = parse_line({line.begin(), line.end()});
    if (entry && entry->mountpoint == mountpoint) {
      found = std::move(entry);
    }
  }
  return found;
}

Result<std::optional<MountEntry>> find_mount(std::string_view mountpoint) {
  const auto table = read_table();
  if (!table) {
    return std::unexpected(table.error());
  }
  return find_mount_in(*table, mountpoint);
}

MountsBeneath mounts_beneath_in(std::string_view table, std::string_view directory) {
  MountsBeneath found;
  const std::string prefix = std::string(directory) + '/';
  for (const auto line : std::views::split(table, '\n')) {
    auto entry = parse_line({line.begin(), line.end()});
    if (entry && entry->mountpoint.starts_with(prefix)) {
      found.emplace(std::move(entry->mountpoint), entry->id);
    }
  }
  return found;
}

Result<MountsBeneath> mounts_beneath(std::string_view directory) {
  const auto table = read_table();
  if (!table) {
    return std::unexpected(table.error());
  }
  return mounts_beneath_in(*table, directory);
}

std::vector<MountEntry> mounts_of_type(std::string_view type) {
  std::vector<MountEntry> found;
  const auto table = read_table().value_or("");
  for (const auto line : std::views::split(table, '\n')) {
    auto entry = parse_line({line.begin(), line.end()});
    if (entry && entry->type == type) {
      found.push_back(std::move(*entry));
    }
  }
  return found;
}

}  // namespace mmapdirfs
