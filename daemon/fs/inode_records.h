// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fs/page_allocator.h"
#include "fs/slot_index.h"
#include "fs/source.h"
#include "fs/types.h"

namespace mmapdirfs {

// What is remembered of an inode that the kernel knows. There may be millions of these.
struct InodeRecord {
  NodeId node{};
  SourceIdentity identity{};
  Locator locator{};
  NodeId parent{};  // where it was found last
  // As what it was found last; empty where the locator has it, or it has none.
  std::string name{};
  std::int64_t birth = 0;
  std::uint64_t lookups = 0;
  std::uint64_t version = 0;
  std::uint64_t named_at = 0;
  bool is_watched = false;
  bool is_directory = false;
  bool is_forgotten = false;         // by the kernel, which may come back to it by a file handle
  std::uint32_t mount = kRootMount;  // by which the locator leads to it
};

// The records by node, by identity and by file handle. They lie without gaps in chunks of memory
// that goes back to the kernel as the records go: the last one fills the place of one that goes.
//
// A pointer to a record is good until the next insert or erase. Not for several threads at once.
class InodeRecords {
 public:
  InodeRecord* find(NodeId node);
  const InodeRecord* find(NodeId node) const;

  // The record that got the identity last: its number is used again once a file is deleted.
  InodeRecord* find(const SourceIdentity& identity);

  // Those whose handle has the hash; none that is forgotten.
  std::vector<NodeId> find_by_handle(std::uint64_t handle_hash) const;

  // The node must be new.
  void insert(InodeRecord record);

  // True if the node has its identity still, that is, if no later record took it over.
  bool has_identity(const InodeRecord& record) const;

  // From now on nobody finds the record by its identity.
  void give_up_identity(const InodeRecord& record);

  // The same as has_identity(), answered of the record that goes.
  bool erase(NodeId node);

  void set_handle_hash(InodeRecord& record, std::uint64_t handle_hash);

  // All but those that are forgotten.
  std::vector<NodeId> nodes() const;
  std::size_t size() const { return size_; }

 private:
  using Slot = SlotIndex::Slot;
  using Chunk = std::vector<InodeRecord, PageAllocator<InodeRecord>>;

  static constexpr std::size_t kPerChunk = 4096;

  InodeRecord& at(Slot slot) { return chunks_[slot / kPerChunk][slot % kPerChunk]; }
  const InodeRecord& at(Slot slot) const { return chunks_[slot / kPerChunk][slot % kPerChunk]; }

  std::optional<Slot> slot_of(NodeId node) const;
  std::optional<Slot> slot_of(const SourceIdentity& identity) const;
  void append(InodeRecord record);
  void move_last_to(Slot slot);
  void drop_last();

  std::vector<Chunk> chunks_;
  std::size_t size_ = 0;
  SlotIndex by_node_;
  SlotIndex by_identity_;
  SlotIndex by_handle_;
};

}  // namespace mmapdirfs
