// SPDX-License-Identifier: MIT
#include <limits>

int main(int argc, char** /*argv*/) { return std::numeric_limits<int>::max() + argc; }
