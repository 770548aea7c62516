// SPDX-License-Identifier: MIT
#include "mmapdir/mapping_cache.h"

#include <fstream>
#include <tuple>
#include <utility>

#include "file_version.h"
#include "mapping.h"
#include "mapping_table.h"
#include "posix.h"
#include "support/guarded.h"
#include "support/keyed_mutex.h"

namespace mmapdir {

// Lock order: a file's turn, then the table. Nothing blocks while the table is locked, and no
// Mapping and no Loan is destroyed under it.
class MappingCache::Impl : public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(MappingLimits limits) : limits_(limits) {}

  Result<MappingRef> acquire(int fd, Advice advice);
  void forget(const FileIdentity& identity);
  void clear();
  MappingCounters counters() { return table_.lock()->counters; }
  std::vector<MappedFile> mapped_files() { return table_.lock()->mapped_files(); }

 private:
  using Position = MappingTable::Position;
  using Entries = MappingTable::Entries;

  // Keeps an entry busy, and the cache's bookkeeping alive as long as that takes. MappingRefs are
  // aliases of it.
  class Loan {
   public:
    Loan(std::shared_ptr<Impl> cache, Position entry) : cache_(std::move(cache)), entry_(entry) {}
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() { cache_->end_loan(entry_); }

   private:
    const std::shared_ptr<Impl> cache_;
    const Position entry_;
  };

  MappingRef find(const FileVersion& present);
  Result<MappingRef> map_anew(int fd, const FileVersion& present, Advice advice);
  bool make_room_for(const FileVersion& present);
  MappingRef lend(MappingTable& table, Position entry);
  void end_loan(Position entry);
  std::unexpected<Error> refuse(Error why);

  const MappingLimits limits_;
  KeyedMutex<FileIdentity, FileIdentityHash> turns_;
  Guarded<MappingTable> table_;
};

Result<MappingRef> MappingCache::Impl::acquire(int fd, Advice advice) {
  const auto status = file_status(fd);
  if (!status) {
    return refuse(status.error());
  }
  if (!S_ISREG(status->st_mode)) {
    return refuse(Error(std::errc::no_such_device, "map"));
  }
  const auto present = FileVersion::of(*status);
  if (present.size == 0) {
    return FileMapping::map(fd, 0);  // takes no address space, so nothing to share or to count
  }
  if (auto found = find(present)) {
    return found;
  }
  const auto turn = turns_.lock(present.identity);
  if (auto found = find(present)) {  // by the thread whose turn it was before
    return found;
  }
  return map_anew(fd, present, advice);
}

MappingRef MappingCache::Impl::find(const FileVersion& present) {
  auto table = table_.lock();
  const Position* const found = table->find(present.identity);
  if (found == nullptr || !(*found)->shows(present)) {
    return nullptr;
  }
  ++table->counters.hits;
  return lend(*table, *found);
}

MappingRef MappingCache::Impl::lend(MappingTable& table, Position entry) {
  auto loan = entry->loan.lock();
  if (!loan) {
    loan = std::make_shared<const Loan>(shared_from_this(), entry);
    table.begin_loan(entry, loan);
  }
  return {std::move(loan), entry->file.get()};
}

Result<MappingRef> MappingCache::Impl::map_anew(int fd, const FileVersion& present, Advice advice) {
  if (!make_room_for(present)) {
    return refuse(Error(std::errc::resource_unavailable_try_again, "map"));
  }
  auto file = FileMapping::map(fd, present.size);
  if (!file) {
    table_.lock()->cancel_reservation(present.size);
    return refuse(file.error());
  }
  if (advice != Advice::kNormal) {
    // Without it the bytes are the same.
    std::ignore = advise(**file, {.offset = 0, .length = present.size}, advice);
  }
  const bool pinned = identity_is_pinned(fd);
  auto table = table_.lock();
  const auto entry =
      table->insert({.version = present, .identity_is_pinned = pinned, .file = std::move(*file)});
  return lend(*table, entry);
}

bool MappingCache::Impl::make_room_for(const FileVersion& present) {
  Entries removed;  // unmapped on return: before the caller maps, after the table is unlocked
  auto table = table_.lock();
  if (const Position* const outdated = table->find(present.identity)) {
    ++table->counters.remaps;
    table->detach(*outdated, removed);
  } else {
    ++table->counters.misses;
  }
  return table->reserve(limits_, present.size, removed);
}

void MappingCache::Impl::end_loan(Position entry) {
  Entries removed;  // declared first, so unmapped last: unlocked
  table_.lock()->end_loan(entry, removed);
}

void MappingCache::Impl::forget(const FileIdentity& identity) {
  Entries removed;  // unmapped on return: after the table is unlocked
  auto table = table_.lock();
  if (const Position* const found = table->find(identity)) {
    table->detach(*found, removed);
  }
}

void MappingCache::Impl::clear() {
  Entries removed;
  table_.lock()->detach_all(removed);
}

std::unexpected<Error> MappingCache::Impl::refuse(Error why) {
  ++table_.lock()->counters.refusals;
  return std::unexpected(std::move(why));
}

MappingLimits MappingLimits::from_system() {
  constexpr std::size_t kKernelDefault = 65530;  // DEFAULT_MAX_MAP_COUNT in linux/mm.h
  constexpr unsigned kUserAddressBits = 47;
  std::size_t max_map_count = kKernelDefault;
  std::ifstream("/proc/sys/vm/max_map_count") >> max_map_count;
  return {.max_mappings = max_map_count / 2,
          .max_bytes = std::uint64_t{1} << (kUserAddressBits - 2)};
}

MappingCache::MappingCache(MappingLimits limits) : impl_(std::make_shared<Impl>(limits)) {}

MappingCache::~MappingCache() { impl_->clear(); }

Result<MappingRef> MappingCache::acquire(int fd, Advice advice) {
  return impl_->acquire(fd, advice);
}

void MappingCache::forget(dev_t device, ino_t inode) {
  impl_->forget({.device = device, .inode = inode});
}

void MappingCache::clear() { impl_->clear(); }

MappingCounters MappingCache::counters() const { return impl_->counters(); }

std::vector<MappedFile> MappingCache::mapped_files() const { return impl_->mapped_files(); }

}  // namespace mmapdir
