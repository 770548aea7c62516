// SPDX-License-Identifier: MIT
#include "scale/daemon_figures.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace mmapdir::test {
namespace {

std::filesystem::path proc(pid_t process, const char* name) {
  return fmt::format("/proc/{}/{}", process, name);
}

// A number from a file of lines such as "RssAnon:     1234 kB".
std::uint64_t field(const std::filesystem::path& status, const std::string& name) {
  std::ifstream in(status);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name + ":")) {
      return std::stoull(line.substr(name.size() + 1));
    }
  }
  throw std::runtime_error(fmt::format("no {} in {}", name, status.string()));
}

}  // namespace

std::uint64_t resident_memory(pid_t process) {
  return field(proc(process, "status"), "RssAnon") * 1'024;
}

std::size_t descriptors(pid_t process) {
  const std::filesystem::directory_iterator all(proc(process, "fd"));
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::uint64_t times_slept(pid_t process) {
  std::uint64_t sum = 0;
  for (const auto& thread : std::filesystem::directory_iterator(proc(process, "task"))) {
    sum += field(thread.path() / "status", "voluntary_ctxt_switches");
  }
  return sum;
}

std::size_t mappings_beneath(pid_t process, const std::filesystem::path& directory) {
  std::ifstream maps(proc(process, "maps"));
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    count += line.contains(directory.string() + "/") ? 1U : 0U;
  }
  return count;
}

}  // namespace mmapdir::test
