// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "fs/types.h"

namespace mmapdirfs {

// What the kernel keeps of a mount and can be told to forget. Its one implementation outside the
// tests is fuse/invalidator.h. None of the calls may come from a thread that answers requests, but
// for forget_attributes(); those that wait say so.
class KernelCache {
 public:
  KernelCache() = default;
  KernelCache(const KernelCache&) = delete;
  KernelCache& operator=(const KernelCache&) = delete;
  virtual ~KernelCache() = default;

  // Size, times, mode and the like. An answer that is under way to a question about them is
  // dropped by the kernel. False where the kernel doesn't know the node; a lookup that is under way
  // may still make it known.
  virtual bool forget_attributes(NodeId node) = 0;

  // Attributes and pages; returns at once, and does it soon.
  virtual void forget_pages(NodeId node) = 0;

  // Whether or not there is such a name. Waits for lookups and listings in the directory. What is
  // mounted on the file or beneath it is detached, in every mount namespace.
  virtual void forget_name(NodeId directory, const std::string& name) = 0;

  // Has the name asked for again when it is used next, and waits likewise. Where it leads to the
  // same file as before, what is mounted there stays. False where the kernel knew nothing of the
  // name, whether it is there or not.
  virtual bool expire_name(NodeId directory, const std::string& name) = 0;

  // The same once more soon, and in a second; returns at once. An expired name is asked for without
  // the directory's lock (fuse_dentry_revalidate, Linux 6.18), so an answer to that from before
  // may reach the kernel after the name has been expired for a further change.
  virtual void expire_name_again(NodeId directory, const std::string& name) = 0;

  // The listing and the attributes of a directory.
  virtual void forget_listing(NodeId directory) = 0;

  // Returns once every lookup and every part of a listing that was under way in the directory has
  // reached the kernel's cache.
  virtual void wait_for_lookups(NodeId directory) = 0;
};

}  // namespace mmapdirfs
