// SPDX-License-Identifier: MIT
#include "check_model.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <utility>

#include "shrink.h"

namespace mmapdir::test {

void check_model(Model::Setup setup, const std::vector<Operation>& operations) {
  constexpr std::size_t kBudget = 300'000;
  Model model(std::move(setup));
  const auto apart = model.run(operations);
  if (!apart) {
    SUCCEED();
    return;
  }
  auto few = operations;
  few.resize(std::min(operations.size(), apart->step + 1));
  std::string text = apart->text;
  few = shrink(
      std::move(few),
      [&](const std::vector<Operation>& fewer) {
        const auto again = model.run(fewer);
        text = again ? again->text : text;
        return again.has_value();
      },
      kBudget);
  std::string list;
  for (const Operation& operation : few) {
    list += to_string(operation) + '\n';
  }
  FAIL("step " << apart->step << ": " << apart->text << "\nthis does as well:\n" << list << text);
}

}  // namespace mmapdir::test
