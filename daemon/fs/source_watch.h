// SPDX-License-Identifier: MIT
#pragma once

#include <functional>

namespace mmapdirfs {

// Has changes on the source reported to whoever keeps something of it. Its one implementation
// outside the tests is watch/watcher.h. Any thread may call.
class SourceWatch {
 public:
  SourceWatch() = default;
  SourceWatch(const SourceWatch&) = delete;
  SourceWatch& operator=(const SourceWatch&) = delete;
  virtual ~SourceWatch() = default;

  // From now on each change of the directory, of its names and of the files under them is
  // reported; what is looked at after this call need not be asked for again. `fd` is borrowed, and
  // O_PATH is enough. False where they can't be: then what is kept must age.
  virtual bool watch(int fd) = 0;
  virtual void unwatch(int fd) = 0;

  // Calls `done` once all that has been changed by now was reported and seen to: at once, or later
  // from a thread of the watch's.
  virtual void catch_up(std::function<void()> done) = 0;
};

}  // namespace mmapdirfs
