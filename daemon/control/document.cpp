// SPDX-License-Identifier: MIT
#include "control/document.h"

#include <unistd.h>

#include <utility>

namespace mmapdirfs {
namespace {

// Far longer than from one piece to the next, and shorter than anybody watches with.
constexpr std::chrono::milliseconds kPause(250);

}  // namespace

bool Document::is_for(uid_t caller) const {
  return audience_ == DocumentAudience::kEverybody || caller == 0 || caller == ::geteuid();
}

// The text is made without the lock: two at a time may make one, and the later is kept.
Document::Snapshot Document::renewed_snapshot() const {
  const auto now = std::chrono::steady_clock::now();
  {
    auto state = state_.lock();
    const bool is_new = state->snapshot.text != nullptr && now - state->asked < kPause;
    state->asked = now;
    if (is_new) {
      return state->snapshot;
    }
  }
  Snapshot made{.text = make(), .made = std::chrono::system_clock::now()};
  auto state = state_.lock();
  state->snapshot = std::move(made);
  return state->snapshot;
}

Document::Snapshot Document::snapshot() const {
  {
    auto state = state_.lock();
    if (state->snapshot.text != nullptr) {
      state->asked = std::chrono::steady_clock::now();
      return state->snapshot;
    }
  }
  return renewed_snapshot();
}

}  // namespace mmapdirfs
