// SPDX-License-Identifier: MIT
#include "mapping_table.h"

#include <utility>

namespace mmapdir {

bool MappingTable::Entry::shows(const FileVersion& present) const {
  return length() >= present.size && (identity_is_pinned || changed_at_same_time(version, present));
}

const MappingTable::Position* MappingTable::find(const FileIdentity& identity) const {
  const auto found = index_.find(identity);
  return found == index_.end() ? nullptr : &found->second;
}

bool MappingTable::reserve(const MappingLimits& limits, std::uint64_t length, Entries& removed) {
  // Busy and reserved ones have been let in within the bounds, so nothing here can wrap around.
  const std::size_t busy = counters.mappings - idle_.size();
  const std::uint64_t busy_bytes = counters.mapped_bytes - idle_bytes_;
  if (busy >= limits.max_mappings || length > limits.max_bytes - busy_bytes) {
    return false;
  }
  while (counters.mappings >= limits.max_mappings ||
         length > limits.max_bytes - counters.mapped_bytes) {
    ++counters.evictions;
    detach(idle_.begin(), removed);
  }
  ++counters.mappings;
  counters.mapped_bytes += length;
  return true;
}

MappingTable::Position MappingTable::insert(Entry entry) {
  const auto position = idle_.insert(idle_.end(), std::move(entry));
  idle_bytes_ += position->length();
  index_.insert_or_assign(position->version.identity, position);
  return position;
}

void MappingTable::cancel_reservation(std::uint64_t length) {
  --counters.mappings;
  counters.mapped_bytes -= length;
}

void MappingTable::begin_loan(Position entry, const std::shared_ptr<const void>& loan) {
  if (entry->loans == 0) {
    busy_.splice(busy_.end(), idle_, entry);
    idle_bytes_ -= entry->length();
  }
  ++entry->loans;
  entry->loan = loan;
}

void MappingTable::end_loan(Position entry, Entries& removed) {
  if (--entry->loans > 0) {
    return;
  }
  if (entry->detached) {
    remove(busy_, entry, removed);
    return;
  }
  idle_.splice(idle_.end(), busy_, entry);
  idle_bytes_ += entry->length();
}

void MappingTable::detach(Position entry, Entries& removed) {
  index_.erase(entry->version.identity);
  entry->detached = true;
  if (entry->loans == 0) {
    idle_bytes_ -= entry->length();
    remove(idle_, entry, removed);
  }
}

void MappingTable::detach_all(Entries& removed) {
  while (!index_.empty()) {
    detach(index_.begin()->second, removed);
  }
}

std::vector<MappedFile> MappingTable::mapped_files() const {
  std::vector<MappedFile> files;
  files.reserve(index_.size());
  for (const auto& [identity, entry] : index_) {
    files.push_back({.device = identity.device,
                     .inode = identity.inode,
                     .bytes = entry->length(),
                     .address = reinterpret_cast<std::uintptr_t>(entry->file->bytes().data())});
  }
  return files;
}

void MappingTable::remove(Entries& from, Position entry, Entries& removed) {
  --counters.mappings;
  counters.mapped_bytes -= entry->length();
  removed.splice(removed.end(), from, entry);
}

}  // namespace mmapdir
