// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support/process.h"

namespace mmapdir::test {

// What a reader has seen of a file: its bytes, or the error that it got instead.
struct Seen {
  std::string bytes;
  int error = 0;  // an errno; EFAULT stands for SIGBUS
};

// Opens a file, reads it from its beginning to its end, and closes it.
Seen read_by_pread(const std::filesystem::path& path);
Seen read_by_mmap(const std::filesystem::path& path);

// Empty if what was seen is fair, else what is wrong with it.
using Judge = std::function<std::string(const Seen&)>;

// Processes that read a file again and again, by both ways, and judge what they see. A resource
// type.
class Readers {
 public:
  Readers(const std::filesystem::path& path, const Judge& judge,
          std::chrono::steady_clock::time_point deadline);

  // Waits for them: the complaints, empty if there are none.
  std::string complaints();

 private:
  UniqueFd output_;
  std::vector<Process> processes_;
};

}  // namespace mmapdir::test
