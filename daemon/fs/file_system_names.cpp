// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>
#include <utility>

#include "fs/file_system.h"

namespace mmapdirfs {
namespace {

bool is_dot(const char* name) {
  return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0;
}

// Calls `add` (-> bool, false when no room is left) with each entry from `cookie` on.
template <class Add>
Result<void> list(DirectoryStream& stream, std::uint64_t cookie, Add add) {
  for (bool first = true;; first = false) {
    const auto entry = stream.next(cookie);
    if (!entry) {
      // What was listed so far is worth more than the error, which comes again at once.
      return first ? Result<void>(std::unexpected(entry.error())) : Result<void>();
    }
    if (*entry == nullptr || !add(**entry)) {
      return {};
    }
    cookie = (*entry)->next;
  }
}

}  // namespace

Result<Entry> FileSystem::lookup(NodeId parent, const char* name, pid_t thread) {
  if (is_dot(name)) {
    return find_by_handle(parent, name);
  }
  const auto directory = reach_for_name(parent, name);
  if (!directory) {
    return std::unexpected(directory.error());
  }
  lost_names_.note_lookup(thread, parent);
  const bool holds = lost_names_.holds();
  if (!holds) {
    lost_names_.let_go_of_all();
  }
  auto entry = holds ? entry_held(parent, (*directory)->get(), name)
                     : entry_of(parent, (*directory)->get(), name);
  if (!entry) {
    lost_names_.forget(thread);
  }
  return entry;
}

// While files are being replaced: see LostNames.
Result<Entry> FileSystem::entry_held(NodeId directory, int directory_fd, const char* name) {
  auto opened = source_.open_child(directory_fd, name);
  if (!opened) {
    return std::unexpected(opened.error());
  }
  const auto fd = std::make_shared<const UniqueFd>(std::move(*opened));
  auto entry = inodes_.adopt(directory, fd->get(), name);
  if (entry) {
    complete(*entry);
    if (inodes_.is_nested(entry->node)) {
      inodes_.hold(entry->node, fd);
    } else {
      lost_names_.hold(entry->node, fd);
    }
  }
  return entry;
}

// A program has come with a file handle of the mount, whose node the kernel has forgotten: it asks
// for "." in it. Of a directory it also wants to know what is above, up to the root.
Result<Entry> FileSystem::find_by_handle(NodeId node, std::string_view name) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  auto entry = [&]() -> Result<Entry> {
    if (name == "." || node == kRootNode) {
      return inodes_.find_again(node, (*fd)->get());
    }
    const auto above = source_.open_directory_above((*fd)->get());
    return above ? inodes_.adopt_directory(above->get()) : std::unexpected(above.error());
  }();
  if (entry) {
    complete(*entry);
  }
  return entry;
}

void FileSystem::forget(NodeId node, std::uint64_t count) {
  if (const auto gone = inodes_.forget(node, count)) {
    cache_.forget(gone->device, gone->inode);
    unwatch_directory(node, *gone);
    kept_inodes_.drop(node);
    let_go_of_lost(node);
    // The node may be known again by now, and what is noted of it that of somebody who came since.
    if (!inodes_.is_known(node)) {
      mappings_.forget(node);
      files_with_locks_.forget(node);
    }
  }
  cookies_.forget(node);
  open_inodes_.prune(node);  // if a request outlived the node's last handle
}

Result<std::string> FileSystem::readlink(NodeId node) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  std::string target(PATH_MAX, '\0');
  const ssize_t n = ::readlinkat((*fd)->get(), "", target.data(), target.size());
  if (n < 0) {
    // An empty path makes the kernel say ENOENT of what isn't a symlink.
    return std::unexpected(Error::from_errno(errno == ENOENT ? EINVAL : errno, "read the link"));
  }
  target.resize(static_cast<std::size_t>(n));
  return target;
}

Result<HandleId> FileSystem::opendir(NodeId node) {
  auto place = hold_place_for_descriptor();
  if (!place) {
    return std::unexpected(place.error());
  }
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  place->reset();
  auto stream = source_.reopen((*fd)->get(), O_RDONLY | O_DIRECTORY);
  if (!stream) {
    return std::unexpected(stream.error());
  }
  const auto attributes = Source::attributes(stream->get());
  if (!attributes) {
    return std::unexpected(attributes.error());
  }
  return directories_.insert(std::make_shared<OpenDirectory>(
      node, std::move(*stream), device_of(*attributes), cookies_.of(node)));
}

Result<void> FileSystem::readdir(HandleId handle, std::uint64_t cookie, DirectorySink& sink) {
  const auto stream = directories_.find(handle);
  if (!stream) {
    return std::unexpected(stream.error());
  }
  const auto turn = (*stream)->turn();
  return list(**stream, cookie, [&](DirectoryEntry entry) {
    entry.inode = numbers_.shown((*stream)->device(), entry.inode);
    return sink.add(entry, nullptr);
  });
}

Result<void> FileSystem::readdirplus(NodeId node, HandleId handle, std::uint64_t cookie,
                                     DirectorySink& sink) {
  const auto stream = directories_.find(handle);
  if (!stream) {
    return std::unexpected(stream.error());
  }
  const auto turn = (*stream)->turn();
  return list(**stream, cookie, [&](DirectoryEntry entry) {
    const auto add_name = [&] {
      entry.inode = numbers_.shown((*stream)->device(), entry.inode);
      return sink.add(entry, nullptr);
    };
    if (is_dot(entry.name) || !sink.wants_entry(entry)) {
      return add_name();
    }
    // A name that can't be looked up is listed all the same: it is there.
    const auto found = entry_of(node, (*stream)->fd(), entry.name);
    if (!found) {
      return add_name();
    }
    entry.inode = found->attributes.stx_ino;
    if (sink.add(entry, &*found)) {
      return true;
    }
    forget(found->node, 1);
    return false;
  });
}

Result<Entry> FileSystem::entry_of(NodeId directory, int directory_fd, const char* name) {
  auto entry = inodes_.lookup(directory, directory_fd, name);
  if (entry) {
    complete(*entry);
  }
  return entry;
}

Result<void> FileSystem::fsyncdir(HandleId handle, bool data_only) {
  const auto stream = directories_.find(handle);
  if (!stream) {
    return std::unexpected(stream.error());
  }
  if ((data_only ? ::fdatasync((*stream)->fd()) : ::fsync((*stream)->fd())) != 0) {
    return std::unexpected(Error::from_errno(errno, "sync the directory"));
  }
  return {};
}

void FileSystem::releasedir(HandleId handle) {
  if (const auto directory = directories_.remove(handle)) {
    cookies_.release(directory->node);
  }
}

}  // namespace mmapdirfs
