// SPDX-License-Identifier: MIT
#include "fs/node_handles.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "fs/file_system.h"

namespace mmapdirfs {
namespace {

template <class Handles, class Open>
Result<NodeHandles::Shared> find_or_open(Handles& handles, NodeId node, Open open) {
  {
    auto kept = handles.lock();
    if (const auto* found = kept->find(node)) {
      return *found;
    }
  }
  auto opened = open();
  if (!opened) {
    return opened;
  }
  // Two threads may both have opened it: one of the handles goes when its request is done.
  const auto gone = handles.lock()->insert(node, *opened);
  return opened;
}

}  // namespace

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
  const auto file = files_.lock()->erase(node);
  drop_directory(node);
}

// The handle is released without the lock.
void NodeHandles::drop_directory(NodeId node) {
  const auto directory = directories_.lock()->erase(node);
}

}  // namespace mmapdirfs
