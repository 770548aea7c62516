// SPDX-License-Identifier: MIT
#include "fs/inode_records.h"

#include <functional>
#include <utility>

namespace mmapdirfs {
namespace {

std::uint64_t hash_of(NodeId node) {
  // Nodes are counted up: spread them with the golden ratio's bits (Knuth, TAOCP 3, 6.4).
  return static_cast<std::uint64_t>(node) * 0x9E3779B97F4A7C15ULL;
}

std::uint64_t hash_of(const SourceIdentity& identity) {
  return std::hash<SourceIdentity>{}(identity);
}

}  // namespace

std::optional<InodeRecords::Slot> InodeRecords::slot_of(NodeId node) const {
  return by_node_.find(hash_of(node), [&](Slot slot) { return at(slot).node == node; });
}

std::optional<InodeRecords::Slot> InodeRecords::slot_of(const SourceIdentity& identity) const {
  return by_identity_.find(hash_of(identity),
                           [&](Slot slot) { return at(slot).identity == identity; });
}

InodeRecord* InodeRecords::find(NodeId node) {
  const auto slot = slot_of(node);
  return slot ? &at(*slot) : nullptr;
}

const InodeRecord* InodeRecords::find(NodeId node) const {
  const auto slot = slot_of(node);
  return slot ? &at(*slot) : nullptr;
}

InodeRecord* InodeRecords::find(const SourceIdentity& identity) {
  const auto slot = slot_of(identity);
  return slot ? &at(*slot) : nullptr;
}

std::vector<NodeId> InodeRecords::find_by_handle(std::uint64_t handle_hash) const {
  std::vector<NodeId> nodes;
  by_handle_.find(handle_hash, [&](Slot slot) {
    if (at(slot).locator.handle_hash == handle_hash && !at(slot).is_forgotten) {
      nodes.push_back(at(slot).node);
    }
    return false;  // and the next
  });
  return nodes;
}

void InodeRecords::insert(InodeRecord record) {
  const auto slot = static_cast<Slot>(size_);
  const std::uint64_t identity = hash_of(record.identity);
  if (const auto before = slot_of(record.identity)) {
    by_identity_.replace(identity, *before, slot);
  } else {
    by_identity_.insert(identity, slot);
  }
  by_node_.insert(hash_of(record.node), slot);
  if (record.locator.handle_hash != kNoHandleHash) {
    by_handle_.insert(record.locator.handle_hash, slot);
  }
  append(std::move(record));
}

bool InodeRecords::has_identity(const InodeRecord& record) const {
  const auto slot = slot_of(record.identity);
  return slot && at(*slot).node == record.node;
}

void InodeRecords::give_up_identity(const InodeRecord& record) {
  const auto slot = slot_of(record.identity);
  if (slot && at(*slot).node == record.node) {
    by_identity_.erase(hash_of(record.identity), *slot);
  }
}

bool InodeRecords::erase(NodeId node) {
  const auto slot = slot_of(node);
  if (!slot) {
    return false;
  }
  const InodeRecord& record = at(*slot);
  const bool had_identity = has_identity(record);
  by_node_.erase(hash_of(node), *slot);
  by_identity_.erase(hash_of(record.identity), *slot);
  by_handle_.erase(record.locator.handle_hash, *slot);
  move_last_to(*slot);
  drop_last();
  return had_identity;
}

void InodeRecords::set_handle_hash(InodeRecord& record, std::uint64_t handle_hash) {
  const auto slot = slot_of(record.node);
  if (!slot || record.locator.handle_hash == handle_hash) {
    return;
  }
  by_handle_.erase(record.locator.handle_hash, *slot);
  record.locator.handle_hash = handle_hash;
  if (handle_hash != kNoHandleHash) {
    by_handle_.insert(handle_hash, *slot);
  }
}

std::vector<NodeId> InodeRecords::nodes() const {
  std::vector<NodeId> nodes;
  nodes.reserve(size_);
  for (const Chunk& chunk : chunks_) {
    for (const InodeRecord& record : chunk) {
      if (!record.is_forgotten) {
        nodes.push_back(record.node);
      }
    }
  }
  return nodes;
}

void InodeRecords::append(InodeRecord record) {
  if (size_ == chunks_.size() * kPerChunk) {
    chunks_.emplace_back().reserve(kPerChunk);
  }
  chunks_[size_ / kPerChunk].push_back(std::move(record));
  ++size_;
}

void InodeRecords::move_last_to(Slot slot) {
  const auto last = static_cast<Slot>(size_ - 1);
  if (slot == last) {
    return;
  }
  const InodeRecord& record = at(last);
  by_node_.replace(hash_of(record.node), last, slot);
  by_identity_.replace(hash_of(record.identity), last, slot);
  by_handle_.replace(record.locator.handle_hash, last, slot);
  at(slot) = std::move(at(last));
}

// An empty chunk stays until half of the one before is free too, so that a record that comes and
// goes at the border costs no system calls.
void InodeRecords::drop_last() {
  --size_;
  chunks_[size_ / kPerChunk].pop_back();
  if ((chunks_.size() * kPerChunk) - size_ >= kPerChunk + (kPerChunk / 2)) {
    chunks_.pop_back();
  }
}

}  // namespace mmapdirfs
