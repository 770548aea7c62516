// SPDX-License-Identifier: MIT
#include "fs/node_handles.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "fs/file_system.h"

namespace mmapdirfs {

template <class Open>
Result<NodeHandles::Shared> NodeHandles::find_or_open(Handles& handles, NodeId node, Open open) {
  {
    auto kept = handles.lock();
    if (const auto* found = kept->handles.find(node)) {
      return *found;
    }
    if (const auto* found = kept->nested.find(node)) {
      return *found;
    }
  }
  auto opened = open();
  if (opened) {
    keep(handles, node, *opened);
  }
  return opened;
}

// Two threads may both have opened it: one of the handles goes when its request is done.
void NodeHandles::keep(Handles& handles, NodeId node, const Shared& opened) {
  if (!fs_.is_nested(node)) {
    const auto gone = handles.lock()->handles.insert(node, opened);
  } else if (fs_.hold_notice().is_heard()) {
    const auto gone = handles.lock()->nested.insert(node, opened);
    fs_.hold_notice().note();
  }
}

// The kernel has checked who may open it.
Result<NodeHandles::Shared> NodeHandles::file(NodeId node, OnLease on_lease) {
  return find_or_open(files_, node, [&]() -> Result<Shared> {
    const Caller self{.uid = ::geteuid(), .gid = ::getegid(), .umask = 0};
    const auto opened = fs_.open(node, O_RDONLY, self, on_lease);
    if (!opened) {
      return std::unexpected(opened.error());
    }
    return Shared(new HandleId(opened->handle), [&fs = fs_](const HandleId* handle) {
      fs.release(*handle);
      delete handle;
    });
  });
}

Result<NodeHandles::Shared> NodeHandles::directory(NodeId node) {
  return find_or_open(directories_, node, [&]() -> Result<Shared> {
    const auto opened = fs_.opendir(node);
    if (!opened) {
      return std::unexpected(opened.error());
    }
    return Shared(new HandleId(*opened), [&fs = fs_](const HandleId* handle) {
      fs.releasedir(*handle);
      delete handle;
    });
  });
}

void NodeHandles::drop(NodeId node) {
  drop(files_, node);
  drop_directory(node);
}

void NodeHandles::drop_directory(NodeId node) { drop(directories_, node); }

// The handles are released without the lock.
void NodeHandles::drop(Handles& handles, NodeId node) {
  const auto handle = handles.lock()->handles.erase(node);
  const auto nested = handles.lock()->nested.erase(node);
}

bool NodeHandles::let_go_of_nested(std::chrono::steady_clock::time_point unused_since) {
  const bool has_files = let_go_of_nested(files_, unused_since);
  return let_go_of_nested(directories_, unused_since) || has_files;
}

bool NodeHandles::let_go_of_nested(Handles& handles,
                                   std::chrono::steady_clock::time_point unused_since) {
  std::vector<Shared> gone;  // released after the lock is dropped
  auto kept = handles.lock();
  gone = kept->nested.take_unused_since(unused_since);
  return kept->nested.size() > 0;
}

}  // namespace mmapdirfs
