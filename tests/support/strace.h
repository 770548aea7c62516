// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/process.h"
#include "support/temporary_directory.h"

namespace mmapdir::test {

// A system call that is over, as strace(1) tells it.
struct TracedCall {
  pid_t thread;
  std::string name;
  std::string arguments;  // descriptors with their paths; bytes that aren't text as \xHH
  std::string result;     // "0", "-1 EIO (Input/output error)"

  bool succeeded() const { return !result.starts_with('-') && !result.starts_with('?'); }
};

// Watches a process's system calls, in all its threads, until it is told to stop or goes out of
// scope. A resource type.
class Strace {
 public:
  // `options` say which calls (-e trace=) and which of them fail instead (-e inject=).
  Strace(const Process& traced, const std::vector<std::string>& options);

  // The calls so far, in the order in which they ended. Nothing is watched any more.
  std::vector<TracedCall> stop();

 private:
  TemporaryDirectory directory_;
  std::filesystem::path output_;
  Process strace_;
};

// As requirements.h has them: root, who may trace the daemon, and the package strace.
void require_strace();

}  // namespace mmapdir::test
