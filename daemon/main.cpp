// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <variant>
#include <vector>

#include "app.h"
#include "options.h"

namespace {

constexpr int kUsageStatus = 2;

int run(const std::vector<std::string>& arguments) {
  const auto parsed = mmapdirfs::parse_command_line(arguments);
  if (!parsed) {
    fmt::print(stderr, "mmapdirfs: {}\nTry 'mmapdirfs --help'.\n", parsed.error().message);
    return kUsageStatus;
  }
  if (const auto* const request = std::get_if<mmapdirfs::TextRequest>(&*parsed)) {
    return std::fputs(request->text.c_str(), stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
  }
  return mmapdirfs::run(std::get<mmapdirfs::Options>(*parsed));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "mmapdirfs: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
