// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <functional>

namespace mmapdir::test {

// A process forked from this one, which does `work` and then waits for its end: by SIGKILL, so that
// it cleans up nothing. Only for tests without threads. A resource type.
class ForkedChild {
 public:
  // Returns when the work is done.
  explicit ForkedChild(const std::function<bool()>& work);
  ForkedChild(const ForkedChild&) = delete;
  ForkedChild& operator=(const ForkedChild&) = delete;
  ~ForkedChild();

  // What the work returned.
  bool succeeded() const { return succeeded_; }

 private:
  pid_t pid_ = -1;
  bool succeeded_ = false;
};

}  // namespace mmapdir::test
