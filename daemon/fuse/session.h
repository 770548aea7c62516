// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fuse/link.h"
#include "start_error.h"
#include "transport.h"

namespace mmapdirfs {

// How requests are served.
struct Serving {
  IoUringUse io_uring = IoUringUse::kAuto;
  unsigned threads = 1;   // at most; over io_uring at least two for each processor
  bool maps_ids = false;  // see Negotiation
};

// A mount and its connection to the kernel. Unmounts and disconnects when it goes, whatever
// happened. A resource type; one at a time in a process, since libfuse's signal handlers are.
class Session {
 public:
  // `mount_options` are the kernel's and libfuse's, unescaped ("fsname=/a,b", "ro"). Nothing is
  // mounted yet. The adapter and the counters, which count its operations, are borrowed.
  static std::expected<Session, StartError> create(Adapter& adapter, OperationCounters& counters,
                                                   const std::vector<std::string>& mount_options);

  Session(Session&&) = default;
  Session& operator=(Session&&) = delete;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Mounts and answers the kernel's INIT; afterwards the adapter knows the kernel's features, and
  // no other request was served yet. libfuse and fusermount3 give no errno: they log the cause
  // themselves, before this returns.
  std::expected<void, StartError> mount(const std::string& mountpoint, const Serving& serving);

  // Whether requests come over io_uring. Known once it is mounted.
  bool uses_io_uring() const { return link_->rings != nullptr; }

  // Serves requests until the mount is taken away or a SIGINT, SIGTERM or SIGHUP arrives.
  Result<void> serve();

  // Runs `work` in a thread of its own, and answers requests that come through /dev/fuse until it
  // is done: it may make some itself. In the thread that serves, before or after serve().
  void serve_during(const std::function<void()>& work);

  // Runs `work`, the last of its users, in a thread of its own, and goes on answering requests
  // until it is done: what the kernel is asked to forget waits for some of them. At once, in this
  // thread, where the mount was taken away: then there are none.
  void finish(const std::function<void()>& work);

  // Borrowed, like what follows.
  fuse_session* handle() const { return session_.get(); }

  // /dev/fuse.
  int device() const { return fuse_session_fd(session_.get()); }

 private:
  struct Destroy {
    void operator()(fuse_session* session) const { fuse_session_destroy(session); }
  };

  Session(std::unique_ptr<Link> link, fuse_session* session)
      : link_(std::move(link)), session_(session) {}
  bool is_taken_away() const;
  std::expected<void, StartError> answer_init();
  std::expected<void, StartError> choose_transport(const fuse_buf& init);
  Result<void> take_rings();
  std::expected<void, StartError> agree_to_map_ids(const fuse_buf& init);
  Result<void> take_over_writes();

  std::unique_ptr<Link> link_;  // borrowed by libfuse
  std::unique_ptr<fuse_session, Destroy> session_;
  Serving serving_;
};

}  // namespace mmapdirfs
