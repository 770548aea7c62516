// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

#include "support/requirements.h"

namespace mmapdir::test {

// Numbers that are the same for the same seed wherever the test runs.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t next() { return engine_(); }
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }
  bool one_in(std::size_t n) { return below(n) == 0; }

  template <class Choices>
  const auto& pick(const Choices& choices) {
    return choices[below(choices.size())];
  }

 private:
  std::mt19937_64 engine_;
};

// Another one each time, unless a run is to be repeated.
inline std::uint64_t test_seed() {
  const auto given = environment("MMAPDIRFS_TEST_SEED");
  return given ? std::stoull(*given) : std::random_device{}();
}

inline std::size_t test_steps(std::size_t moderate) {
  const auto given = environment("MMAPDIRFS_TEST_STEPS");
  return given ? std::stoul(*given) : moderate;
}

}  // namespace mmapdir::test
