// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "file_version.h"
#include "mapping.h"

namespace mmapdir {

// Which mappings there are, which of them are idle and for how long: the bookkeeping of
// MappingCache, every operation O(1). It knows no lock and no system call but the munmap of an
// entry's destructor; so what is removed is handed to the caller, to be destroyed unlocked.
class MappingTable {
 public:
  struct Entry {
    FileVersion version;
    bool identity_is_pinned;
    std::unique_ptr<const FileMapping> file;
    // What keeps the entry busy. Normally one loan is shared by all who read the file; a second one
    // comes into being when the entry is asked for in the moment between the last reference's going
    // and the end of the first loan.
    std::weak_ptr<const void> loan = {};
    std::size_t loans = 0;
    bool detached = false;  // not to be found any more; goes with its last loan

    std::uint64_t length() const { return file->bytes().size(); }
    bool shows(const FileVersion& present) const;
  };

  // Nodes move between lists by splicing, which neither allocates nor moves the entry.
  using Entries = std::list<Entry>;
  using Position = Entries::iterator;

  // The entry of that file, or null.
  const Position* find(const FileIdentity& identity) const;

  // Makes room for one more mapping of `length` bytes and counts it in. Moves the longest idle
  // entries to `removed` as far as needed; none if even all of them would not do: then false.
  bool reserve(const MappingLimits& limits, std::uint64_t length, Entries& removed);

  // Puts in a new idle entry, reserved before; or takes the reservation back.
  Position insert(Entry entry);
  void cancel_reservation(std::uint64_t length);

  void begin_loan(Position entry, const std::shared_ptr<const void>& loan);
  void end_loan(Position entry, Entries& removed);

  // From now on nobody finds the entry. Idle, it moves to `removed`; busy, it stays till its end.
  void detach(Position entry, Entries& removed);
  void detach_all(Entries& removed);

  // Those that can be found.
  std::vector<MappedFile> mapped_files() const;

  MappingCounters counters;

 private:
  void remove(Entries& from, Position entry, Entries& removed);

  Entries busy_;
  Entries idle_;  // the longest idle first
  std::uint64_t idle_bytes_ = 0;
  std::unordered_map<FileIdentity, Position, FileIdentityHash> index_;
};

}  // namespace mmapdir
