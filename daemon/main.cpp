// SPDX-License-Identifier: MIT
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "app.h"
#include "options.h"

namespace {

constexpr int kUsageStatus = 2;

int run(const std::vector<std::string>& arguments) {
  const auto parsed = mmapdirfs::parse_command_line(arguments);
  if (!parsed) {
    std::fprintf(stderr, "mmapdirfs: %s\nTry 'mmapdirfs --help'.\n",
                 parsed.error().message.c_str());
    return kUsageStatus;
  }
  if (parsed->text) {
    return std::fputs(parsed->text->text.c_str(), stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
  }
  return mmapdirfs::run(*parsed->options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mmapdirfs: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
