// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ctl/doctor/finding.h"

namespace mmapdirfs::ctl {

// A file's content, without the newline at its end; nothing if it can't be read. `path` is as on
// this machine, "/proc/...".
std::optional<std::string> read_text(const Machine& machine, std::string_view path);

// The number that a file holds, and nothing else.
std::optional<std::uint64_t> read_number(const Machine& machine, std::string_view path);

// Where the machine has a file of that path.
std::filesystem::path locate(const Machine& machine, std::string_view path);

struct Version {
  unsigned major = 0;
  unsigned minor = 0;
  auto operator<=>(const Version&) const = default;
};
// The beginning of "6.18.44-amd64"; zeros if it isn't one.
Version parse_version(std::string_view text);
Version kernel_version(const Machine& machine);

// Whether this process has a capability, by its number (linux/capability.h), and that in the
// machine's own user namespace rather than in a container's.
bool has_capability(const Machine& machine, unsigned capability);
bool in_initial_user_namespace(const Machine& machine);

// The hard limit by its name in /proc/self/limits; nothing if it is unlimited or can't be told.
std::optional<std::uint64_t> hard_limit(const Machine& machine, std::string_view name);

}  // namespace mmapdirfs::ctl
