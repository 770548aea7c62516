// SPDX-License-Identifier: MIT
#include "scale/sizes.h"

#include <stdexcept>
#include <string>

#include "support/requirements.h"

namespace mmapdir::test {

Sizes sizes() {
  const std::string scale = environment("MMAPDIRFS_SCALE").value_or("small");
  if (scale == "small") {
    return {.files = 20'000, .directories = 200, .listed = 5'000, .mapped = 2'000};
  }
  if (scale == "full") {
    return {.files = 1'000'000, .directories = 10'000, .listed = 200'000, .mapped = 50'000};
  }
  throw std::invalid_argument("MMAPDIRFS_SCALE is small or full, not '" + scale + "'");
}

}  // namespace mmapdir::test
