// SPDX-License-Identifier: MIT
#include "ctl/doctor/machine_files.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>

namespace mmapdirfs::ctl {
namespace {

bool kernel_has_cachestat() {
  constexpr long kCachestat = 451;  // the same on all architectures but Alpha
  return ::syscall(kCachestat, -1, nullptr, nullptr, 0) == 0 || errno != ENOSYS;
}

// What stands behind "Name:" in /proc/self/status and its like.
std::string value_behind(const std::string& text, std::string_view label) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(label)) {
      const auto begin = line.find_first_not_of(" \t", label.size());
      return begin == std::string::npos ? std::string() : line.substr(begin);
    }
  }
  return {};
}

}  // namespace

Machine this_machine(const std::string& libfuse_version) {
  return {.root = "/",
          .user = ::geteuid(),
          .libfuse_version = libfuse_version,
          .has_cachestat = kernel_has_cachestat};
}

std::filesystem::path locate(const Machine& machine, std::string_view path) {
  return machine.root / std::filesystem::path(path).relative_path();
}

std::optional<std::string> read_text(const Machine& machine, std::string_view path) {
  std::ifstream file(locate(machine, path));
  if (!file) {
    return std::nullopt;
  }
  std::string text(std::istreambuf_iterator<char>(file), {});
  text.erase(text.find_last_not_of('\n') + 1);
  return text;
}

std::optional<std::uint64_t> read_number(const Machine& machine, std::string_view path) {
  const auto text = read_text(machine, path);
  std::uint64_t number = 0;
  if (!text) {
    return std::nullopt;
  }
  const auto* const end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, number);
  return parsed.ec == std::errc{} && parsed.ptr == end ? std::optional(number) : std::nullopt;
}

Version parse_version(std::string_view text) {
  Version version;
  std::istringstream stream{std::string(text)};
  char point = 0;
  stream >> version.major >> point >> version.minor;
  return version;
}

Version kernel_version(const Machine& machine) {
  return parse_version(read_text(machine, "/proc/sys/kernel/osrelease").value_or(""));
}

bool has_capability(const Machine& machine, unsigned capability) {
  const auto text = value_behind(read_text(machine, "/proc/self/status").value_or(""), "CapEff:");
  std::uint64_t effective = 0;
  std::from_chars(text.data(), text.data() + text.size(), effective, 16);
  return ((effective >> capability) & 1U) != 0;
}

bool in_initial_user_namespace(const Machine& machine) {
  std::istringstream map(read_text(machine, "/proc/self/uid_map").value_or(""));
  std::uint64_t inside = 1;
  std::uint64_t outside = 1;
  std::uint64_t count = 0;
  map >> inside >> outside >> count;
  constexpr std::uint64_t kAllUsers = 4294967295;  // user_namespaces(7)
  return inside == 0 && outside == 0 && count == kAllUsers;
}

std::optional<std::uint64_t> hard_limit(const Machine& machine, std::string_view name) {
  std::istringstream columns(
      value_behind(read_text(machine, "/proc/self/limits").value_or(""), name));
  std::string soft;
  std::uint64_t hard = 0;
  return columns >> soft >> hard ? std::optional(hard) : std::nullopt;
}

}  // namespace mmapdirfs::ctl
