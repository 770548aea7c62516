// SPDX-License-Identifier: MIT
#include "shrink.h"

#include <algorithm>
#include <utility>

namespace mmapdir::test {

std::vector<Operation> shrink(std::vector<Operation> operations,
                              const std::function<bool(const std::vector<Operation>&)>& fails,
                              std::size_t budget) {
  for (std::size_t piece = operations.size() / 2; piece > 0; piece /= 2) {
    std::size_t end = operations.size();
    while (end >= piece && budget > operations.size()) {
      std::vector<Operation> fewer = operations;
      const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(end - piece);
      fewer.erase(first, first + static_cast<std::ptrdiff_t>(piece));
      budget -= operations.size();
      if (fails(fewer)) {
        operations = std::move(fewer);
      }
      end = std::min(end - piece, operations.size());
    }
  }
  return operations;
}

}  // namespace mmapdir::test
