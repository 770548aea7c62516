// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "fs/file_system.h"

namespace mmapdirfs {

void FileSystem::set_watch(SourceWatch& watch) {
  watch_ = &watch;
  const int root = source_.root()->get();
  if (const auto attributes = Source::attributes(root)) {
    watch_directory(kRootNode, identity_of(*attributes), root);
  }
}

// A directory is watched itself, from before its attributes are asked; anything else is where its
// directory is. So a report is missed only by what was asked before.
void FileSystem::watch(Entry& entry) {
  entry.may_be_mapped = mappings_.contains(entry.node);
  if (watch_ == nullptr) {
    return;
  }
  if (!S_ISDIR(entry.attributes.stx_mode)) {
    if (entry.is_watched != entry.parent_watched) {
      inodes_.set_watched(entry.node, entry.parent_watched);
      entry.is_watched = entry.parent_watched;
    }
    return;
  }
  if (entry.is_watched) {
    return;
  }
  const auto fd = reach(entry.node);
  if (!fd || !watch_directory(entry.node, identity_of(entry.attributes), (*fd)->get())) {
    return;
  }
  if (const auto attributes = Source::attributes((*fd)->get())) {
    entry.attributes = *attributes;
    entry.is_watched = true;
  }
}

bool FileSystem::watch_directory(NodeId node, const SourceIdentity& identity, int fd) {
  auto locator = source_.locate(fd, "");
  if (locator.handle_hash == kNoHandleHash) {
    return false;  // its reports couldn't be told from others'
  }
  auto watched = watched_.lock();
  if (!watch_->watch(fd)) {
    return false;
  }
  watched->insert_or_assign(identity,
                            WatchedDirectory{.node = node, .locator = std::move(locator)});
  inodes_.set_watched(node, true);
  return true;
}

// Unless it has become known again in the meantime, by the same node or another one. Where there
// are no handles to open it by, the watch is left to go with the directory; its reports name
// nothing that is known.
void FileSystem::unwatch_directory(NodeId node, const SourceIdentity& identity) {
  if (watch_ == nullptr) {
    return;
  }
  auto watched = watched_.lock();
  const auto found = watched->find(identity);
  if (found == watched->end() || found->second.node != node || inodes_.is_known(node)) {
    return;
  }
  if (found->second.locator.is_handle) {
    if (const auto fd = source_.open_located(found->second.locator, -1)) {
      watch_->unwatch(fd->get());
    }
  }
  watched->erase(found);
}

std::vector<NodeId> FileSystem::nameless_nodes() const {
  std::vector<NodeId> nodes;
  for (const auto& [node, fd] : open_inodes_.descriptors()) {
    const auto attributes = Source::attributes(fd->get());
    if (attributes && attributes->stx_nlink == 0) {
      nodes.push_back(node);
    }
  }
  return nodes;
}

void FileSystem::catch_up(std::function<void()> done) {
  if (watch_ == nullptr) {
    return done();
  }
  watch_->catch_up(std::move(done));
}

// While files are being replaced, who was told ESTALE may be coming to open it.
void FileSystem::let_go_of_lost(NodeId file) {
  if (!lost_names_.holds()) {
    lost_names_.let_go_of(file);
  }
}

void FileSystem::let_go_of_unused(NodeId file) {
  kept_inodes_.drop(file);
  let_go_of_lost(file);
  if (const auto identity = inodes_.identity_of(file)) {
    cache_.forget(identity->device, identity->inode);
  }
}

std::vector<NodeId> FileSystem::directories_with_absences() const {
  auto directories = inodes_.directories();
  if (!owns_source_) {
    std::erase_if(directories, [&](NodeId node) { return !inodes_.is_watched(node); });
  }
  return directories;
}

std::vector<std::string> FileSystem::names_in(NodeId directory) {
  std::vector<std::string> names;
  const auto fd = reach(directory);
  auto opened =
      fd ? source_.reopen((*fd)->get(), O_RDONLY | O_DIRECTORY) : std::unexpected(fd.error());
  if (!opened) {
    return names;
  }
  DirectoryStream stream(std::move(*opened));
  std::uint64_t cookie = 0;
  for (auto entry = stream.next(cookie); entry && *entry != nullptr; entry = stream.next(cookie)) {
    cookie = (*entry)->next;
    names.emplace_back((*entry)->name);
  }
  return names;
}

bool FileSystem::has_name(NodeId directory, const std::string& name) {
  const auto fd = reach(directory);
  struct stat found{};
  return !fd || ::fstatat((*fd)->get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 ||
         errno != ENOENT;
}

NodeId FileSystem::node_at(const std::string& path) const {
  if (path.empty()) {
    return kRootNode;
  }
  const auto fd = source_.open_path(path);
  const auto attributes = fd ? Source::attributes(fd->get()) : std::unexpected(fd.error());
  return attributes ? inodes_.node_of(identity_of(*attributes)) : kNoNode;
}

void FileSystem::let_go_of_all_unused() {
  inodes_.drop_descriptors();
  kept_inodes_.drop_all();
  if (!lost_names_.holds()) {  // see let_go_of_lost()
    lost_names_.let_go_of_all();
  }
  cache_.clear();
}

std::vector<NodeId> FileSystem::give_up_mounts(const std::set<std::uint64_t>& mounts) {
  auto watched = watched_.lock();
  auto given_up = inodes_.give_up(mounts);
  std::erase_if(*watched, [&](const auto& each) { return !inodes_.is_watched(each.second.node); });
  return given_up;
}

Result<void> FileSystem::begin_to_hold() {
  auto begun = hold_notice_.begin();
  if (begun) {
    inodes_.hold_nested(hold_notice_);
  }
  return begun;
}

void FileSystem::distrust_files() {
  let_go_of_all_unused();
  const auto nodes = inodes_.nodes();
  auto watched = watched_.lock();
  for (const NodeId node : nodes) {
    inodes_.set_watched(node, false);
  }
  for (const auto& [identity, directory] : *watched) {
    inodes_.set_watched(directory.node, true);
  }
}

}  // namespace mmapdirfs
