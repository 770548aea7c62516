// SPDX-License-Identifier: MIT
#include <cstddef>
#include <vector>

int main(int argc, char** /*argv*/) {
  const std::vector<int> numbers(1);
  const volatile int* const data = numbers.data();
  return data[static_cast<std::size_t>(argc)];
}
