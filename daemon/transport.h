// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace mmapdirfs {

// Whether requests come over io_uring rather than through /dev/fuse.
enum class IoUringUse {
  kAuto,  // where the kernel offers it and this process may have it
  kOn,    // or there is no mount
  kOff,
};

inline constexpr std::array<std::pair<std::string_view, IoUringUse>, 3> kIoUringUses = {{
    {"auto", IoUringUse::kAuto},
    {"on", IoUringUse::kOn},
    {"off", IoUringUse::kOff},
}};

constexpr std::string_view name_of(IoUringUse use) {
  return std::ranges::find(kIoUringUses, use, [](const auto& row) { return row.second; })->first;
}

}  // namespace mmapdirfs
