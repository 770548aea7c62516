// SPDX-License-Identifier: MIT
#include "fs/file_system.h"

#include <fcntl.h>

#include <cerrno>
#include <string_view>
#include <utility>

namespace mmapdirfs {
namespace {

// One component that names something beneath the directory. The kernel sends others only where it
// was given a file handle (see lookup()); no request must leave the source by them.
bool is_child_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && !name.contains('/');
}

}  // namespace

Result<std::unique_ptr<FileSystem>> FileSystem::create(UniqueFd root,
                                                       const FileSystemConfig& config,
                                                       mmapdir::MappingCache& cache,
                                                       BackingRegistry& backings) {
  auto source = Source::open(std::move(root));
  if (!source) {
    return std::unexpected(source.error());
  }
  const auto attributes = Source::attributes(source->root()->get());
  if (!attributes) {
    return std::unexpected(attributes.error());
  }
  return std::unique_ptr<FileSystem>(
      new FileSystem(std::move(*source), *attributes, config, cache, backings));
}

FileSystem::FileSystem(Source source, const Attributes& root, const FileSystemConfig& config,
                       mmapdir::MappingCache& cache, BackingRegistry& backings)
    : source_(std::move(source)),
      read_path_(config.read_path),
      access_(config.access),
      kernel_checks_permissions_(config.kernel_checks_permissions),
      descriptor_limit_(config.descriptor_limit),
      owns_source_(config.owns_source),
      checks_versions_(config.checks_versions),
      advice_(config.advice),
      labels_are_unused_(config.labels_are_unused),
      keeps_noexec_(config.keeps_noexec),
      cache_(cache),
      backings_(backings),
      numbers_(device_of(root), first_free_number(source_.root()->get())),
      inodes_(source_, root, config.cached_descriptors, config.descriptor_limit, config.memory),
      kept_inodes_(config.kept_inodes) {}

FileSystemCounts FileSystem::counts() const {
  return {.inodes = inodes_.size(),
          .open_inodes = open_inodes_.size(),
          .open_files = files_.size(),
          .open_directories = directories_.size(),
          .watched_directories = watched_.lock()->size()};
}

LockCounts FileSystem::lock_counts() const {
  return {.held = locks_.held() + flock_descriptions_.held(),
          .waiting = waits_.count(WaitKind::kLock),
          .waiting_for_leases = waits_.count(WaitKind::kLease)};
}

// The kernel hands out the lowest number that is free, so a number tells how many are taken.
Result<UniqueFd> FileSystem::hold_place_for_descriptor() {
  for (const bool is_last_try : {false, true}) {
    UniqueFd place(::fcntl(source_.root()->get(), F_DUPFD_CLOEXEC, 0));
    if (place && place.get() < descriptor_limit_) {
      return place;
    }
    if (!is_last_try) {
      // A program's open file is worth more than a way to another.
      inodes_.drop_descriptors();
      lost_names_.let_go_of_all();
      kept_inodes_.drop_all();
    }
  }
  return std::unexpected(Error::from_errno(ENFILE, "open one more file"));
}

void FileSystem::let_go_of_source() {
  const auto is_anything = [](const auto& /*opened*/) { return true; };
  files_.remove_if(is_anything);
  directories_.remove_if(is_anything);
  locks_.release_all();
  let_go_of_all_unused();
  lost_names_.let_go_of_all();
  source_.close();
}

// An open inode is reached by its own descriptor, also once its name is gone. So is one that is
// just being opened by who was told ESTALE: on the way the kernel may ask for its attributes, or
// its ACL.
Result<SharedFd> FileSystem::reach(NodeId node) {
  if (const auto open = open_inodes_.find(node)) {
    return open->fd();
  }
  auto fd = inodes_.reach(node);
  if (!fd && fd.error().errnum() == ESTALE) {
    if (auto held = lost_names_.held(node)) {
      return held;
    }
  }
  return fd;
}

Result<SharedFd> FileSystem::reach_for_name(NodeId parent, const char* name) {
  if (!is_child_name(name)) {
    return std::unexpected(Error::from_errno(EINVAL, "use the name", name));
  }
  return reach(parent);
}

// What is known of a name that was just found.
void FileSystem::complete(Entry& entry) {
  watch(entry);
  show(entry.attributes);
  entry.keeps_name = lost_names_.keeps_names();
}

void FileSystem::show(Attributes& attributes) {
  attributes.stx_ino = numbers_.shown(device_of(attributes), attributes.stx_ino);
}

}  // namespace mmapdirfs
