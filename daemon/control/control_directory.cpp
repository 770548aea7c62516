// SPDX-License-Identifier: MIT
#include "control/control_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

namespace mmapdirfs {
namespace {

constexpr mode_t kDirectoryMode = S_IFDIR | 0555;

statx_timestamp to_timestamp(std::chrono::system_clock::time_point time) {
  const auto since = time.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  statx_timestamp result{};
  result.tv_sec = seconds.count();
  result.tv_nsec = static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds).count());
  return result;
}

Attributes base_attributes(NodeId node, mode_t mode, std::chrono::system_clock::time_point time) {
  Attributes result{};
  result.stx_mask = STATX_BASIC_STATS;
  result.stx_ino = static_cast<std::uint64_t>(node);
  result.stx_mode = static_cast<std::uint16_t>(mode);
  result.stx_nlink = S_ISDIR(mode) ? 2 : 1;
  result.stx_uid = ::geteuid();
  result.stx_gid = ::getegid();
  result.stx_blksize = 4096;
  result.stx_atime = result.stx_mtime = result.stx_ctime = to_timestamp(time);
  return result;
}

std::unexpected<Error> refusal(int errnum, const char* what) {
  return std::unexpected(Error::from_errno(errnum, what));
}

ReadView piece_of(Document::Text text, std::uint64_t offset, std::size_t size) {
  const auto all = std::as_bytes(std::span(*text));
  const auto rest = all.subspan(std::min<std::uint64_t>(offset, all.size()));
  return {.bytes = rest.first(std::min(size, rest.size())), .owner = std::move(text)};
}

}  // namespace

ControlDirectory::ControlDirectory(std::string name, std::function<bool()> source_has_name,
                                   ControlReads reads)
    : name_(std::move(name)),
      source_has_name_(std::move(source_has_name)),
      reads_(reads),
      made_(std::chrono::system_clock::now()) {}

void ControlDirectory::add(std::string file, DocumentAudience audience, Document::Provider text) {
  documents_.push_back(std::make_unique<Document>(std::move(file), audience, std::move(text)));
}

Result<void> ControlDirectory::may_command(uid_t caller) {
  return caller == 0 || caller == ::geteuid() ? Result<void>()
                                              : refusal(EACCES, "control the mount");
}

bool ControlDirectory::is_named(NodeId directory, std::string_view name) const {
  return directory == kRootNode && name == name_ && !source_has_name_();
}

Result<NodeId> ControlDirectory::lookup(NodeId directory, std::string_view name) const {
  if (is_named(directory, name)) {
    return kDirectory;
  }
  if (directory == kDirectory && !name.empty() && name == commands_) {
    return kCommands;
  }
  const auto found = std::ranges::find(documents_, name, &Document::name);
  if (directory != kDirectory || found == documents_.end()) {
    return refusal(ENOENT, "look up a file of the control directory");
  }
  return NodeId{static_cast<std::uint64_t>(kDirectory) + 1 +
                static_cast<std::uint64_t>(found - documents_.begin())};
}

// ENOENT for a node that was never given.
Result<const Document*> ControlDirectory::document(NodeId node) const {
  const auto index = static_cast<std::uint64_t>(node) - static_cast<std::uint64_t>(kDirectory);
  if (index == 0) {
    return refusal(EISDIR, "use the control directory");
  }
  if (index > documents_.size()) {
    return refusal(ENOENT, "use a file of the control directory");
  }
  return documents_[index - 1].get();
}

Result<Attributes> ControlDirectory::attributes(NodeId node) const {
  if (node == kDirectory) {
    return base_attributes(node, kDirectoryMode, made_);
  }
  if (node == kCommands && !commands_.empty()) {
    return base_attributes(node, S_IFREG | 0600, made_);
  }
  const auto file = document(node);
  if (!file) {
    return std::unexpected(file.error());
  }
  const mode_t mode = S_IFREG | (*file)->permissions();
  if (reads_ == ControlReads::kByHandle) {
    return base_attributes(node, mode, made_);
  }
  const auto snapshot = (*file)->renewed_snapshot();
  Attributes result = base_attributes(node, mode, snapshot.made);
  result.stx_size = snapshot.text->size();
  return result;
}

Result<void> ControlDirectory::access(NodeId node, int mask, uid_t caller) const {
  if (node == kDirectory) {
    return (mask & W_OK) == 0 ? Result<void>() : refusal(EACCES, "write the control directory");
  }
  if (node == kCommands && (mask & X_OK) == 0) {
    return mask == F_OK ? Result<void>() : may_command(caller);
  }
  const auto file = document(node);
  if (!file) {
    return std::unexpected(file.error());
  }
  const bool may = (mask & (W_OK | X_OK)) == 0 && (*file)->is_for(caller);
  return may || mask == F_OK ? Result<void>()
                             : refusal(EACCES, "use a file of the control directory");
}

Result<std::vector<ControlDirectory::Listed>> ControlDirectory::list(NodeId node) const {
  if (node != kDirectory) {
    return refusal(ENOTDIR, "list a file of the control directory");
  }
  std::vector<Listed> result = {
      {.name = ".", .node = kDirectory, .is_directory = true},
      {.name = "..", .node = kRootNode, .is_directory = true},
  };
  auto next = static_cast<std::uint64_t>(kDirectory);
  for (const auto& file : documents_) {
    result.push_back({.name = file->name(), .node = NodeId{++next}, .is_directory = false});
  }
  if (!commands_.empty()) {
    result.push_back({.name = commands_, .node = kCommands, .is_directory = false});
  }
  return result;
}

Result<HandleId> ControlDirectory::open(NodeId node, int flags, uid_t caller) {
  const auto file = document(node);
  if (!file) {
    return std::unexpected(file.error());
  }
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0) {
    return refusal(EPERM, "write a file of the control directory");
  }
  if (!(*file)->is_for(caller)) {
    return refusal(EACCES, "read a file of the control directory");
  }
  return texts_.insert((*file)->make());
}

Result<ReadView> ControlDirectory::read(HandleId handle, std::uint64_t offset,
                                        std::size_t size) const {
  auto text = texts_.find(handle);
  if (!text) {
    return std::unexpected(text.error());
  }
  return piece_of(std::move(*text), offset, size);
}

Result<ReadView> ControlDirectory::read(NodeId node, uid_t caller, std::uint64_t offset,
                                        std::size_t size) const {
  const auto file = document(node);
  if (!file) {
    return std::unexpected(file.error());
  }
  if (!(*file)->is_for(caller)) {
    return refusal(EACCES, "read a file of the control directory");
  }
  return piece_of((*file)->snapshot().text, offset, size);
}

}  // namespace mmapdirfs
