// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <clocale>
#include <exception>
#include <iostream>

#include "ctl/mount_channel.h"
#include "ctl/run.h"
#include "version.h"

int main(int argc, char** argv) {
  // For the character set and the widths of letters; numbers stay as they are.
  std::setlocale(LC_CTYPE, "");  // NOLINT(concurrency-mt-unsafe): one thread
  try {
    using namespace mmapdirfs::ctl;
    Context context{.channel = nullptr,
                    .open_mount = MountChannel::open,
                    .out = std::cout,
                    .messages = std::cerr,
                    .out_terminal = detect_terminal(STDOUT_FILENO),
                    .message_terminal = detect_terminal(STDERR_FILENO),
                    .machine = this_machine(mmapdirfs::versions().libfuse)};
    return run({argv + 1, argv + argc}, context);
  } catch (const std::exception& error) {
    std::cerr << "mmapdirctl: " << error.what() << '\n';
    return mmapdirfs::ctl::kFailureStatus;
  }
}
