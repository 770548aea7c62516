// SPDX-License-Identifier: MIT
#include <cstdlib>

namespace {
void* volatile kept = nullptr;
}

int main() {
  kept = std::malloc(1);  // NOLINT(cppcoreguidelines-no-malloc)
  kept = nullptr;
}
