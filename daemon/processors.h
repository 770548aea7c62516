// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "fs/types.h"

namespace mmapdirfs {

// The machine's processors by number, ascending.
struct Processors {
  std::vector<unsigned> possible;  // as many as may ever be plugged in
  std::vector<unsigned> online;

  static Result<Processors> of_this_machine();
};

// Reads the kernel's way of writing them, "0-3,8"; nothing if it makes no sense.
std::optional<std::vector<unsigned>> parse_processors(std::string_view list);

}  // namespace mmapdirfs
