// SPDX-License-Identifier: MIT
#include "watch/change_batch.h"

#include <sys/fanotify.h>

#include <algorithm>
#include <cstdint>

#include "fs/file_system.h"

namespace mmapdirfs {
namespace {

constexpr std::uint64_t kNameChanges = FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO;
// A file that comes may have been written where nobody watched it.
constexpr std::uint64_t kByteChanges = FAN_MODIFY | FAN_CLOSE_WRITE | FAN_MOVED_TO;

// What changed in itself in one directory: files, and the directory.
class ChangedFiles {
 public:
  ChangedFiles(FileSystem& fs, KernelCache& cache, const std::vector<NodeId>& directory)
      : fs_(fs), cache_(cache), directory_(directory) {}

  // A node that the daemon or the kernel doesn't know may just be being looked up: with what the
  // file was before the change.
  void forget(const std::string& file, bool bytes, std::set<NodeId>& stale_pages) {
    if (!forget_known(file)) {
      wait_for_lookups();
      forget_known(file);
    }
    if (bytes) {
      const auto nodes = fs_.nodes_of(file);
      stale_pages.insert(nodes.begin(), nodes.end());
    }
  }

  // After its attributes were forgotten, so that they are asked for once more.
  void note_closes(const std::string& file, std::uint64_t count) {
    for (const NodeId node : count > 0 ? fs_.nodes_of(file) : std::vector<NodeId>()) {
      fs_.note_closes(node, count);
    }
  }

  // The directory, whose own lookup is one in the directory above.
  void forget_directory() {
    for (const NodeId node : directory_) {
      if (!cache_.forget_attributes(node)) {
        cache_.wait_for_lookups(fs_.parent_of(node));
        cache_.forget_attributes(node);
      }
    }
  }

 private:
  bool forget_known(const std::string& file) {
    bool known = false;
    for (const NodeId node : fs_.nodes_of(file)) {
      known = cache_.forget_attributes(node) || known;
    }
    return known;
  }

  void wait_for_lookups() {
    if (!has_waited_) {
      for (const NodeId node : directory_) {
        cache_.wait_for_lookups(node);
      }
      has_waited_ = true;
    }
  }

  FileSystem& fs_;
  KernelCache& cache_;
  const std::vector<NodeId>& directory_;
  bool has_waited_ = false;
};

}  // namespace

// What this process has done was asked for by the kernel, which has seen to its cache itself.
void ChangeBatch::add(const Change& change) {
  if ((change.mask & FAN_Q_OVERFLOW) != 0) {
    return note_overflow();
  }
  const bool is_directory = (change.mask & FAN_ONDIR) != 0;
  if (!is_directory && (change.mask & (FAN_MOVED_FROM | FAN_MOVED_TO | FAN_DELETE)) != 0) {
    moves_[change.target] = (change.mask & FAN_MOVED_TO) != 0;
  }
  if (change.is_own) {
    return;
  }
  may_have_replaced_ = may_have_replaced_ || (!is_directory && (change.mask & FAN_MOVED_TO) != 0);
  Directory& directory = directories_[change.directory];
  if ((change.mask & kNameChanges) != 0) {
    NameChange& name = directory.names[change.name];
    const bool is_deleted = (change.mask & FAN_DELETE) != 0;
    name.was_file_deleted = name.was_file_deleted || (is_deleted && !is_directory);
    name.was_directory_deleted = name.was_directory_deleted || (is_deleted && is_directory);
    name.has_moved = name.has_moved || (change.mask & (FAN_MOVED_FROM | FAN_MOVED_TO)) != 0;
    if (!is_directory && (change.mask & FAN_MOVED_TO) != 0) {
      name.arrived = change.target;
    }
    directory.has_changed = true;
  }
  if (change.name == ".") {
    directory.has_changed = true;
  } else {
    FileChange& file = directory.files[change.target];
    file.bytes = file.bytes || (change.mask & kByteChanges) != 0;
    file.closes += (change.mask & FAN_CLOSE_WRITE) != 0 ? 1 : 0;
  }
}

// A name is forgotten, and what is mounted there detached as on the source, where a file was taken
// away from it or a directory removed. Where that isn't certain it is expired: what is mounted on
// it, or beneath it, has to stay if it still leads there when it is used next. A directory's name
// is also the way to what is mounted beneath, and a change of it isn't one of that.
void ChangeBatch::forget_name(FileSystem& fs, KernelCache& cache, NodeId directory,
                              const std::string& name, const NameChange& change) {
  const auto is_known_there = [&] {
    return std::ranges::any_of(fs.nodes_of(change.arrived),
                               [&](NodeId node) { return fs.is_known_as(node, directory, name); });
  };
  // A lookup that is under way may be finding what has arrived, to mount something on it. Expiring
  // waits for it; and where nothing is known then, what is found later is right.
  const auto has_taken_the_place = [&] {
    return !change.arrived.empty() && !is_known_there() && cache.expire_name(directory, name) &&
           !is_known_there();
  };
  if (change.was_file_deleted || (change.was_directory_deleted && !fs.has_name(directory, name)) ||
      has_taken_the_place()) {
    return cache.forget_name(directory, name);
  }
  cache.expire_name(directory, name);
  if (change.has_moved) {
    cache.expire_name_again(directory, name);
  }
}

// Attributes before names: who finds a file under its new name must not be told its old size.
void ChangeBatch::carry_out(FileSystem& fs, KernelCache& cache) const {
  std::set<NodeId> stale_pages;
  for (const auto& [handle, changes] : directories_) {
    const auto nodes = fs.nodes_of(handle);
    ChangedFiles files(fs, cache, nodes);
    if (changes.has_changed) {
      files.forget_directory();
    }
    for (const auto& [file, change] : changes.files) {
      files.forget(file, change.bytes, stale_pages);
      files.note_closes(file, change.closes);
    }
    for (const NodeId node : nodes) {
      for (const auto& [name, change] : changes.names) {
        forget_name(fs, cache, node, name, change);
      }
      if (!changes.names.empty()) {
        cache.forget_listing(node);
      }
    }
  }
  // Now that no lookup is under way that found a file where it no longer is.
  for (const auto& [file, has_come] : moves_) {
    for (const NodeId node : fs.nodes_of(file)) {
      fs.note_move(node, has_come);
      if (!has_come) {
        fs.let_go_of_unused(node);
      }
    }
  }
  // No report tells which file lost its name to another. Whoever has it open counts its links.
  if (may_have_replaced_) {
    for (const NodeId node : fs.nameless_nodes()) {
      cache.forget_attributes(node);
    }
  }
  for (const NodeId node : stale_pages) {
    fs.note_byte_change(node);
    cache.forget_pages(node);
  }
}

}  // namespace mmapdirfs
