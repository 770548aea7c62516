// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "control/document.h"
#include "fs/handle_table.h"
#include "fs/types.h"

namespace mmapdirfs {

// How the kernel reads the control directory's files.
enum class ControlReads {
  // Each handle has a text of its own, made when it was opened.
  kByHandle,
  // Opens send no message (see Negotiation): all readers of a file share a text, made anew when
  // somebody asks for the file's attributes after nobody has for a while.
  kByNode,
};

// A directory of the mount's root that isn't on the source: found by its name, not listed, and read
// to see how the mount does. Its nodes have numbers that the file system never gives.
//
// Knows no transport. Whether a caller may read a file is checked here as well, since the kernel
// doesn't check on every mount: what isn't for everybody is for root and the daemon's user.
// add() is set-up; any thread may call the rest.
class ControlDirectory {
 public:
  // `source_has_name` tells whether the source's root has the name itself, which then is meant.
  ControlDirectory(std::string name, std::function<bool()> source_has_name, ControlReads reads);

  const std::string& name() const { return name_; }
  bool is_hidden() const { return source_has_name_(); }

  // `text` may be called by any thread, also by several at once.
  void add(std::string file, DocumentAudience audience, Document::Provider text);

  // The file that takes commands; what is done with it is ControlSessions' part.
  void add_commands(std::string file) { commands_ = std::move(file); }
  static bool is_for_commands(NodeId node) { return node == kCommands; }
  // Whether the caller may open that file.
  static Result<void> may_command(uid_t caller);

  static bool contains(NodeId node) { return node >= kDirectory; }
  // Whether `name` in that directory is this one, by which nothing else can be made.
  bool is_named(NodeId directory, std::string_view name) const;

  // This directory, or a file in it.
  Result<NodeId> lookup(NodeId directory, std::string_view name) const;
  // Sizes are 0, as in /proc, but where they bound what the kernel reads (kByNode).
  Result<Attributes> attributes(NodeId node) const;
  // As access(2).
  Result<void> access(NodeId node, int mask, uid_t caller) const;

  struct Listed {
    std::string name;
    NodeId node;
    bool is_directory;
  };
  // "." and "..", whose node is the mount's root, and the files.
  Result<std::vector<Listed>> list(NodeId node) const;

  Result<HandleId> open(NodeId node, int flags, uid_t caller);
  Result<ReadView> read(HandleId handle, std::uint64_t offset, std::size_t size) const;
  // Without a handle.
  Result<ReadView> read(NodeId node, uid_t caller, std::uint64_t offset, std::size_t size) const;
  void release(HandleId handle) { texts_.remove(handle); }

 private:
  static constexpr NodeId kDirectory{1ULL << 63U};
  static constexpr NodeId kCommands{(1ULL << 63U) + (1ULL << 62U)};

  Result<const Document*> document(NodeId node) const;

  // Constant once requests are served.
  const std::string name_;
  const std::function<bool()> source_has_name_;
  const ControlReads reads_;
  const std::chrono::system_clock::time_point made_;
  std::string commands_;                              // a name, or nothing
  std::vector<std::unique_ptr<Document>> documents_;  // in the order of their nodes

  // With synchronisation of its own.
  HandleTable<const std::string> texts_;
};

}  // namespace mmapdirfs
