// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fs/hold_notice.h"
#include "fs/inode_records.h"
#include "fs/lru_map.h"
#include "fs/passing_map.h"
#include "fs/source.h"
#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// A name that the kernel may know.
struct KnownName {
  NodeId parent;
  std::string name;
};

// The inodes that the kernel knows, and how to reach each on the source.
//
// An inode is known by its identity on the source, so hard links share a node. It costs a record
// and no descriptor: a bounded cache holds the O_PATH descriptors used last; the others are opened
// again by file handle or, where handles aren't allowed, by parent and name with the identity
// checked. Those of a nested inode, that was reached by another mount than the root's, are held for
// a moment only and by note to a HoldNotice: else nobody could unmount that. The kernel's lookup
// counts decide when a record goes; the root's never does. A record is some 200 bytes, all told,
// which go back to the kernel with it.
//
// Beyond that the table remembers a bounded number of files that the kernel has forgotten and that
// are found by handle. The kernel may come back to them by their nodes, since a program or an NFS
// client has a file handle of the mount; and they have the same node when they are found by name.
//
// Any thread may call. One lock, held across no system call.
class InodeTable {
 public:
  struct Memory {
    // Nodes are counted up from here: of a file handle that another mount gave out nothing may be
    // known.
    std::uint64_t first_node = static_cast<std::uint64_t>(kRootNode);
    std::size_t forgotten = 0;  // how many files are remembered that the kernel has forgotten
  };

  // `source` must outlive the table. Holds `descriptors` O_PATH descriptors at most, and none whose
  // number reaches `descriptor_limit`: those are for the moment.
  InodeTable(const Source& source, const Attributes& root, std::size_t descriptors,
             int descriptor_limit = std::numeric_limits<int>::max());
  InodeTable(const Source& source, const Attributes& root, std::size_t descriptors,
             int descriptor_limit, const Memory& memory);

  // Descriptors of nested inodes are held from now on, and noted. Before the first request.
  void hold_nested(HoldNotice& notice) { notice_ = &notice; }

  // Finds `name` in a directory, raising its lookup count by one.
  Result<Entry> lookup(NodeId parent, int parent_fd, const char* name);

  // The same for a file that is open already, as `name` in that directory; `fd` is borrowed.
  Result<Entry> adopt(NodeId parent, int fd, const char* name);

  // Finds a node again that the kernel comes with by a file handle, raising its lookup count by
  // one; `fd` is the node's. ESTALE where nothing is known of it any more.
  Result<Entry> find_again(NodeId node, int fd);

  // The directory above one, which `fd` is open on. ESTALE where it can only be known by a name and
  // isn't.
  Result<Entry> adopt_directory(int fd);

  // A file that may be known was given the name `name` in a directory by way of the mount; lookup
  // counts stay.
  void note_name(NodeId parent, int parent_fd, const char* name);

  // Takes `count` lookups back.
  // The file's identity where that was the last lookup of it.
  std::optional<SourceIdentity> forget(NodeId node, std::uint64_t count);

  // A descriptor of the inode, good for fstat, openat and reopening but perhaps not for reading.
  // ESTALE when the file is gone from the source, or the node was never known.
  Result<SharedFd> reach(NodeId node);

  // Closes all cached descriptors that aren't in use.
  void drop_descriptors();

  bool is_nested(NodeId node) const;

  // Holds a nested inode by this descriptor for a moment.
  void hold(NodeId node, SharedFd fd);

  // Closes those of nested inodes that weren't used since then. Whether others are left.
  bool let_go_of_nested(PassingMap<NodeId, SharedFd>::Clock::time_point unused_since);

  // These mounts are gone; what comes to their places is new, though it may have the identities of
  // what was there. Answers the inodes that were reached by them, which aren't watched any more.
  std::vector<NodeId> give_up(const std::set<std::uint64_t>& mounts);

  // True when the file's version (see fs/file_version.h) is the one remembered at the last call
  // for this node; remembers `version` in its place. Zero is no version and equals nothing.
  bool exchange_version(NodeId node, std::uint64_t version);

  // When the node was last found under a name, by a clock of this table's that each find moves on.
  // Zero for a file that was made without one, and on file systems that count no links.
  std::uint64_t named_at(NodeId node) const;
  std::uint64_t now() const;

  // The nodes of the file with this handle (name_to_handle_at: its type, an int, then its bytes);
  // none where the source has no handles. Now and then one of another file is among them.
  std::vector<NodeId> find(std::string_view handle) const;

  // The node that has the identity now; kNoNode where none has.
  NodeId node_of(const SourceIdentity& identity) const;

  // Of the file on the source; nothing for a node that isn't known.
  std::optional<SourceIdentity> identity_of(NodeId node) const;

  // The directory in which the node was last looked up; kNoNode for one that isn't known.
  NodeId parent_of(NodeId node) const;

  // The name by which each of these nodes was found last, for those that are known and have one.
  std::vector<KnownName> names_of(std::span<const NodeId> nodes) const;
  // Whether that of `node` is `name` in `parent`.
  bool is_known_as(NodeId node, NodeId parent, std::string_view name) const;

  std::vector<NodeId> directories() const;

  // Whether changes of this inode on the source will be told of: false at first and for a node that
  // isn't known. The table only remembers it; a lookup answers it beside the node.
  bool is_watched(NodeId node) const;
  void set_watched(NodeId node, bool watched);

  // Whether the kernel knows it.
  bool is_known(NodeId node) const;

  // All that the kernel knows, the root too.
  std::vector<NodeId> nodes() const;
  std::size_t size() const;

 private:
  struct Forgotten {
    std::optional<SourceIdentity> gone;
    bool many_went = false;
  };

  // What reach() needs of an inode once the lock is dropped.
  struct Step {
    NodeId node;
    SourceIdentity identity;
    Locator locator;
    std::int64_t birth;
  };

  struct State {
    explicit State(std::size_t max_descriptors)
        : descriptors(max_descriptors), nested(max_descriptors) {}

    const SharedFd* descriptor_of(NodeId node) {
      const SharedFd* const found = descriptors.find(node);
      return found == nullptr ? nested.find(node) : found;
    }

    InodeRecords inodes;
    LruMap<NodeId, SharedFd> descriptors;
    PassingMap<NodeId, SharedFd> nested;  // descriptors of files on nested mounts
    std::deque<NodeId> forgotten;         // in this order; some are known again
    std::size_t forgotten_count = 0;
    std::size_t most = 0;  // inodes known at once since memory was given back last
    std::uint64_t clock = 0;
    std::uint64_t last_node = static_cast<std::uint64_t>(kRootNode);
  };

  SourceIdentity root_identity() const;
  static void take_up(State& state, InodeRecord& known);
  void remember(State& state, InodeRecord& known) const;
  static bool is_same_file(const InodeRecord& known, const Locator& locator, std::int64_t birth);
  static void rename(State& state, InodeRecord& known, NodeId parent, Locator by_name,
                     std::uint32_t mount);
  static void note_found(State& state, InodeRecord& known, NodeId parent, const char* name,
                         Locator locator, std::uint32_t mount);
  static std::string_view name_of(const InodeRecord& known);

  Result<Entry> enter(NodeId parent, int fd, const char* name, SharedFd descriptor);
  Entry intern(NodeId parent, const Attributes& attributes, Locator locator, SharedFd fd,
               const char* name);
  std::optional<SharedFd> remember_descriptor(State& state, NodeId node, SharedFd fd,
                                              std::uint32_t mount) const;
  void note_held(std::uint32_t mount) const;
  Forgotten take_back(NodeId node, std::uint64_t count);
  Result<std::vector<Step>> path_to(NodeId node, SharedFd& start) const;
  Result<SharedFd> take(const Step& step, const SharedFd& parent);

  const Source& source_;
  const int descriptor_limit_;
  const std::size_t most_forgotten_;
  HoldNotice* notice_ = nullptr;  // constant once requests are served; null: none is held
  mutable mmapdir::Guarded<State> state_;
};

}  // namespace mmapdirfs
