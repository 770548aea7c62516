// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "operation.h"

namespace mmapdir::test {

// Fewer operations that fail as well: it leaves pieces out, smaller and smaller ones, as long as
// `fails` says yes. All of its tries together carry out `budget` operations at most.
std::vector<Operation> shrink(std::vector<Operation> operations,
                              const std::function<bool(const std::vector<Operation>&)>& fails,
                              std::size_t budget);

}  // namespace mmapdir::test
