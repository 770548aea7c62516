// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace mmapdirfs {

// What the kernel may answer from its own memory, and what is promised of it.
enum class CacheMode {
  // Everything, for as long as it is told of changes on the source; where those can't be watched,
  // names and attributes for a second, and pages while the file is unchanged at its opens.
  kAuto,
  kNever,   // nothing: each request reaches the source, and no page is kept for the mount's inode
  kAlways,  // everything: nobody changes the source but by way of this mount
};

inline constexpr std::array<std::pair<std::string_view, CacheMode>, 3> kCacheModes = {{
    {"auto", CacheMode::kAuto},
    {"never", CacheMode::kNever},
    {"always", CacheMode::kAlways},
}};

constexpr std::string_view name_of(CacheMode mode) {
  return std::ranges::find(kCacheModes, mode, [](const auto& row) { return row.second; })->first;
}

struct CacheOptions {
  CacheMode mode = CacheMode::kAuto;
  // How long the kernel keeps attributes and names at most, wherever they are; nothing: as the
  // mode has it.
  std::optional<std::chrono::seconds> attribute_timeout;
  std::optional<std::chrono::seconds> entry_timeout;
};

// How long what is answered may be kept. A value.
class CachePolicy {
 public:
  using Time = std::chrono::seconds;

  struct Times {
    Time attributes;
    Time names;  // and negative names
  };

  explicit constexpr CachePolicy(const CacheOptions& options)
      : mode_(options.mode), watched_(times_of(options, true)), aging_(times_of(options, false)) {}

  constexpr CacheMode mode() const { return mode_; }

  // Else reads bypass the mount's page cache.
  constexpr bool keeps_pages() const { return mode_ != CacheMode::kNever; }

  // The source has no other writers.
  constexpr bool owns_source() const { return mode_ == CacheMode::kAlways; }

  constexpr bool watches() const { return mode_ == CacheMode::kAuto; }

  // `is_watched`: the changes of what is answered will be reported.
  constexpr const Times& times(bool is_watched) const {
    return is_watched || owns_source() ? watched_ : aging_;
  }

  // Names that aren't there, and listings, are kept only where a change of them is reported.
  constexpr bool keeps_absence(bool is_watched) const {
    return owns_source() || (watches() && is_watched);
  }

  // Whether a file that changed at `changed`, by a clock that shows `now`, both in whole seconds,
  // is to be asked about again at its next use.
  //
  // Of two answers that are under way at once the kernel keeps the one that reaches it first,
  // whichever was given first (fuse_change_attributes, Linux 6.18). So a reader of a file that was
  // just published could be left with the size that somebody else was told while it was written,
  // until the change's report is carried out. A second is of the scale of what an answer takes on a
  // busy machine. What is further in the future was set by another clock, and tells nothing.
  constexpr bool distrusts(std::int64_t changed, std::int64_t now) const {
    return watches() && changed >= now - 1 && changed <= now + 1;
  }

 private:
  static constexpr Times times_of(const CacheOptions& options, bool is_watched) {
    const Time kept = default_time(options.mode, is_watched);
    return {.attributes = options.attribute_timeout.value_or(kept),
            .names = options.entry_timeout.value_or(kept)};
  }

  // An hour, rather than for ever: what is written to the source by mmap, or by a hard link in a
  // directory that isn't watched, isn't reported until it is closed, or at all.
  static constexpr Time default_time(CacheMode mode, bool is_watched) {
    switch (mode) {
      case CacheMode::kAlways:
        return std::chrono::hours(24);
      case CacheMode::kAuto:
        return is_watched ? Time(std::chrono::hours(1)) : Time(1);
      case CacheMode::kNever:
        return Time(0);
    }
    return Time(0);
  }

  CacheMode mode_;
  Times watched_;
  Times aging_;
};

}  // namespace mmapdirfs
