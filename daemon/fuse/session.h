// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fuse/adapter.h"
#include "start_error.h"

namespace mmapdirfs {

// A mount and its connection to the kernel. Unmounts and disconnects when it goes, whatever
// happened. A resource type; one at a time in a process, since libfuse's signal handlers are.
class Session {
 public:
  // `mount_options` are the kernel's and libfuse's, unescaped ("fsname=/a,b", "ro"). Nothing is
  // mounted yet. The adapter is borrowed.
  static std::expected<Session, StartError> create(Adapter& adapter,
                                                   const std::vector<std::string>& mount_options);

  Session(Session&&) = default;
  Session& operator=(Session&&) = delete;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Mounts and answers the kernel's INIT; afterwards the adapter knows the kernel's features, and
  // no other request was served yet. libfuse and fusermount3 give no errno: they log the cause
  // themselves, before this returns.
  std::expected<void, StartError> mount(const std::string& mountpoint);

  // Serves requests with up to `threads` threads until the mount is taken away or a SIGINT,
  // SIGTERM or SIGHUP arrives.
  Result<void> serve(unsigned threads);

  // Runs `work` in a thread of its own, and goes on answering requests until it is done: what the
  // kernel is asked to forget waits for some of them.
  void serve_during(const std::function<void()>& work);

  // Borrowed, like what follows.
  fuse_session* handle() const { return session_.get(); }

  // /dev/fuse.
  int device() const { return fuse_session_fd(session_.get()); }

 private:
  struct Destroy {
    void operator()(fuse_session* session) const { fuse_session_destroy(session); }
  };

  explicit Session(fuse_session* session) : session_(session) {}
  std::expected<void, StartError> answer_init();

  std::unique_ptr<fuse_session, Destroy> session_;
};

}  // namespace mmapdirfs
