// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fs/file_system.h"
#include "support/guarded.h"

namespace mmapdirfs::test {

// The kernel's registry, as far as it can be observed.
class FakeRegistry final : public BackingRegistry {
 public:
  Result<BackingId> open(int /*fd*/, const Caller& /*opener*/) override {
    auto state = state_.lock();
    if (state->refusal != 0) {
      return std::unexpected(Error::from_errno(state->refusal, "register for passthrough"));
    }
    const BackingId id{++state->registered};
    state->open.insert(id);
    return id;
  }

  void close(BackingId id) override {
    auto state = state_.lock();
    if (state->open.erase(id) == 0) {
      ++state->wrong_closes;
    }
  }

  // From now on each registration fails so; 0 lets them succeed again.
  void refuse_with(int errnum) { state_.lock()->refusal = errnum; }

  std::uint32_t registered() const { return state_.lock()->registered; }
  std::size_t open_now() const { return state_.lock()->open.size(); }
  // Of ids that weren't open: each id is to be closed once.
  std::size_t wrong_closes() const { return state_.lock()->wrong_closes; }

 private:
  struct State {
    std::set<BackingId> open;
    std::uint32_t registered = 0;
    std::size_t wrong_closes = 0;
    int refusal = 0;
  };

  mutable mmapdir::Guarded<State> state_;
};

// One line of a listing, as a sink was given it.
struct Listed {
  std::string name;
  std::uint64_t inode;
  mode_t type;
  std::uint64_t next;
  std::optional<Entry> entry;
};

// The line of that name; null where there is none.
inline const Listed* find_line(const std::vector<Listed>& lines, std::string_view name) {
  const auto found = std::ranges::find(lines, name, &Listed::name);
  return found == lines.end() ? nullptr : &*found;
}

// Sorted, since a directory's order is its file system's affair.
inline std::vector<std::string> names_of(const std::vector<Listed>& lines) {
  std::vector<std::string> names;
  std::ranges::transform(lines, std::back_inserter(names), &Listed::name);
  std::ranges::sort(names);
  return names;
}

// Takes `room` names and refuses the next.
class RecordingSink final : public DirectorySink {
 public:
  explicit RecordingSink(std::size_t room = std::numeric_limits<std::size_t>::max())
      : room_(room) {}

  bool add(const DirectoryEntry& name, const Entry* entry) override {
    if (lines_.size() == room_) {
      return false;
    }
    lines_.push_back({.name = name.name,
                      .inode = name.inode,
                      .type = name.type,
                      .next = name.next,
                      .entry = entry == nullptr ? std::nullopt : std::optional(*entry)});
    return true;
  }

  const std::vector<Listed>& lines() const { return lines_; }

 private:
  const std::size_t room_;
  std::vector<Listed> lines_;
};

}  // namespace mmapdirfs::test
