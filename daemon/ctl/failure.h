// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <string>

namespace mmapdirfs::ctl {

// The exit statuses that users and scripts go by.
inline constexpr int kFailureStatus = 1;
inline constexpr int kUsageStatus = 2;

// Why it can't be done, for people: what was wrong, and what is allowed or what to do about it.
struct Failure {
  std::string message;
  int status = kFailureStatus;
};

template <class T>
using Outcome = std::expected<T, Failure>;

inline std::unexpected<Failure> fail(std::string message, int status = kFailureStatus) {
  return std::unexpected(Failure{.message = std::move(message), .status = status});
}

}  // namespace mmapdirfs::ctl
