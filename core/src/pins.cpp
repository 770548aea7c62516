// SPDX-License-Identifier: MIT
#include "mmapdir/pins.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <mutex>
#include <ranges>
#include <set>
#include <utility>

#include "available_memory.h"
#include "beneath.h"
#include "file_version.h"
#include "memory_locker.h"
#include "page_math.h"
#include "posix.h"
#include "support/guarded.h"

namespace mmapdir {
namespace {

bool any_matches(const std::vector<PathPattern>& patterns, const RelativePath& path) {
  return std::ranges::any_of(
      patterns, [&](const PathPattern& pattern) { return pattern.matches(path.string()); });
}

void add(PinTotals& totals, const PinnedFile& file) {
  ++totals.files;
  totals.intended_bytes += file.intended_bytes;
  totals.pinned_bytes += file.pinned_bytes;
}

}  // namespace

class Pins::Impl {
 public:
  Impl(int root, MappingCache& cache) : root_(root), cache_(cache) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  Result<PinReport> pin(std::vector<PathPattern> patterns, std::optional<std::uint64_t> budget,
                        const std::stop_token& stop);
  Result<PinTotals> unpin(const std::vector<PathPattern>& patterns);
  void update(const RelativePath& path);
  void rescan(const std::stop_token& stop);
  std::vector<PinnedFile> list();
  PinTotals totals();

 private:
  // What one call of pin() asked for.
  struct Request {
    std::vector<PathPattern> patterns;
    std::optional<std::uint64_t> budget;
    std::vector<PathPattern> exceptions{};  // unpinned since
  };
  struct Entry {
    PinnedFile told{};
    MappingRef mapping{};       // null for a file that couldn't be opened or mapped
    std::uint64_t request = 0;  // its key
  };
  // In order of priority.
  using Requests = std::map<std::uint64_t, Request>;

  void forget_patterns(const std::vector<PathPattern>& patterns);
  void refresh(std::uint64_t request, const std::string& pattern, const RelativePath& path,
               MemoryLocker& locker);
  void lock_rest(Entry& entry, int fd, MemoryLocker& locker);
  Entry fresh_entry(const RelativePath& path, int fd, const FileVersion& present);
  std::uint64_t budget_left(const Entry& entry);
  std::optional<Entry> find(const RelativePath& path);
  std::vector<RelativePath> paths();
  void put(Entry entry);
  void release(const RelativePath& path);

  const int root_;
  MappingCache& cache_;

  // Whoever pins, releases and changes requests has it, so that these come one after the other. It
  // is held while pages are read, which is what it is for; locked before the entries.
  std::mutex turn_;
  // Guarded by the turn.
  Requests requests_;
  std::uint64_t next_request_ = 0;

  // Changed in one's turn, read by anybody.
  Guarded<std::map<RelativePath, Entry>> entries_;
};

Pins::Impl::~Impl() {
  for (const auto& path : paths()) {
    release(path);
  }
}

Result<PinReport> Pins::Impl::pin(std::vector<PathPattern> patterns,
                                  std::optional<std::uint64_t> budget,
                                  const std::stop_token& stop) {
  const std::scoped_lock turn(turn_);
  const auto found = find_files(root_, patterns);
  if (!found) {
    return std::unexpected(found.error());
  }
  forget_patterns(patterns);
  const auto request = next_request_++;
  requests_.emplace(request, Request{.patterns = patterns, .budget = budget});
  const AvailableMemory memory;
  MemoryLocker locker(memory, stop);
  PinReport report{.failures = found->failures};
  for (const auto& file : found->files) {
    if (!find(file.path)) {
      refresh(request, patterns[file.pattern].text(), file.path, locker);
    }
    if (auto entry = find(file.path)) {
      report.files.push_back(std::move(entry->told));
    }
  }
  return report;
}

// Patterns given anew, or taken back, with what was pinned by them.
void Pins::Impl::forget_patterns(const std::vector<PathPattern>& patterns) {
  std::set<std::string> texts;
  for (const auto& pattern : patterns) {
    texts.insert(pattern.text());
  }
  for (auto& [key, request] : requests_) {
    std::erase_if(request.patterns,
                  [&](const PathPattern& pattern) { return texts.contains(pattern.text()); });
  }
  std::erase_if(requests_, [](const auto& item) { return item.second.patterns.empty(); });
  for (const auto& path : paths()) {
    if (const auto entry = find(path); entry && texts.contains(entry->told.pattern)) {
      release(path);
    }
  }
}

Result<PinTotals> Pins::Impl::unpin(const std::vector<PathPattern>& patterns) {
  const std::scoped_lock turn(turn_);
  const auto pinned = list();
  for (const auto& pattern : patterns) {
    const bool is_known = std::ranges::any_of(pinned, [&](const PinnedFile& file) {
      return file.pattern == pattern.text() || pattern.matches(file.path.string());
    });
    if (!is_known) {
      return std::unexpected(Error(std::errc::no_such_file_or_directory,
                                   "find a pinned file for pattern", pattern.text()));
    }
  }
  forget_patterns(patterns);
  for (auto& [key, request] : requests_) {
    std::ranges::copy(patterns, std::back_inserter(request.exceptions));
  }
  for (const auto& file : pinned) {
    if (any_matches(patterns, file.path)) {
      release(file.path);
    }
  }
  PinTotals released;
  for (const auto& file : pinned) {
    if (!find(file.path)) {
      add(released, file);
    }
  }
  return released;
}

void Pins::Impl::update(const RelativePath& path) {
  const std::scoped_lock turn(turn_);
  for (const auto& [key, request] : requests_) {
    const auto pattern = std::ranges::find_if(
        request.patterns, [&](const PathPattern& one) { return one.matches(path.string()); });
    if (pattern != request.patterns.end() && !any_matches(request.exceptions, path)) {
      const AvailableMemory memory;
      MemoryLocker locker(memory, {});
      refresh(key, pattern->text(), path, locker);
      return;
    }
  }
}

void Pins::Impl::rescan(const std::stop_token& stop) {
  const std::scoped_lock turn(turn_);
  const AvailableMemory memory;
  MemoryLocker locker(memory, stop);
  std::set<RelativePath> seen;
  bool has_seen_all = true;
  for (const auto& [key, request] : requests_) {
    FileWalk walk(root_, request.patterns);
    std::vector<FoundFile> found;
    while (auto file = walk.next()) {
      if (!seen.contains(file->path) && !any_matches(request.exceptions, file->path)) {
        found.push_back(std::move(*file));
      }
    }
    has_seen_all = has_seen_all && walk.failures().empty();
    std::ranges::stable_sort(found, {}, &FoundFile::pattern);
    for (const auto& file : found) {
      refresh(key, request.patterns[file.pattern].text(), file.path, locker);
      seen.insert(file.path);
    }
  }
  for (const auto& path : paths()) {
    // What couldn't be listed has not gone for that.
    if (has_seen_all && !seen.contains(path)) {
      release(path);
    }
  }
}

// Makes the entry what the file of that name is now, and pins what isn't pinned.
void Pins::Impl::refresh(std::uint64_t request, const std::string& pattern,
                         const RelativePath& path, MemoryLocker& locker) {
  const auto file = open_itself_as_file_beneath(root_, path);
  const auto status =
      file ? file_status(file->fd.get()) : Result<struct stat>(std::unexpected(file.error()));
  if (!status) {
    release(path);
    if (status.error().errnum() != ENOENT) {
      put({.told = {.path = path, .pattern = pattern, .reason = status.error().code().message()},
           .mapping = nullptr,
           .request = request});
    }
    return;
  }
  const auto present = FileVersion::of(*status);
  auto entry = find(path);
  const bool is_same = entry && entry->mapping != nullptr && entry->request == request &&
                       entry->told.device == present.identity.device &&
                       entry->told.inode == present.identity.inode &&
                       entry->told.intended_bytes == present.size;
  if (!is_same) {
    release(path);
    entry = fresh_entry(path, file->fd.get(), present);
    entry->request = request;
  }
  entry->told.pattern = pattern;
  lock_rest(*entry, file->fd.get(), locker);
  put(std::move(*entry));
}

Pins::Impl::Entry Pins::Impl::fresh_entry(const RelativePath& path, int fd,
                                          const FileVersion& present) {
  Entry entry{.told = {.path = path,
                       .device = present.identity.device,
                       .inode = present.identity.inode,
                       .intended_bytes = present.size}};
  auto mapping = cache_.acquire(fd);
  if (mapping) {
    entry.mapping = std::move(*mapping);
  } else {
    entry.told.reason = mapping.error().message();
  }
  return entry;
}

void Pins::Impl::lock_rest(Entry& entry, int fd, MemoryLocker& locker) {
  if (entry.mapping == nullptr) {
    return;
  }
  auto& told = entry.told;
  const auto bytes = entry.mapping->bytes();
  const auto mapped = std::min<std::uint64_t>(told.intended_bytes, bytes.size());
  const auto wanted = mapped - told.pinned_bytes;
  const auto left = budget_left(entry);
  const auto length = wanted <= left ? wanted : left / page_size() * page_size();
  auto outcome = locker.lock(fd, bytes, {.offset = told.pinned_bytes, .length = length});
  told.pinned_bytes += outcome.locked;
  told.reason = std::move(outcome.reason);
  if (told.reason.empty() && told.pinned_bytes < told.intended_bytes) {
    told.reason = length < wanted ? "budget" : "truncated";
  }
}

std::uint64_t Pins::Impl::budget_left(const Entry& entry) {
  const auto request = requests_.find(entry.request);
  const auto budget = request == requests_.end() ? std::nullopt : request->second.budget;
  if (!budget) {
    return std::numeric_limits<std::uint64_t>::max();
  }
  std::uint64_t used = 0;
  const auto entries = entries_.lock();
  for (const auto& [path, other] : *entries) {
    used += other.request == entry.request ? other.told.pinned_bytes : 0;
  }
  return *budget - std::min(*budget, used);
}

std::optional<Pins::Impl::Entry> Pins::Impl::find(const RelativePath& path) {
  const auto entries = entries_.lock();
  const auto found = entries->find(path);
  return found == entries->end() ? std::nullopt : std::optional(found->second);
}

std::vector<RelativePath> Pins::Impl::paths() {
  std::vector<RelativePath> paths;
  const auto entries = entries_.lock();
  std::ranges::copy(std::views::keys(*entries), std::back_inserter(paths));
  return paths;
}

void Pins::Impl::put(Entry entry) {
  auto path = entry.told.path;
  entries_.lock()->insert_or_assign(std::move(path), std::move(entry));
}

// The cache forgets the file too, lest a deleted one keeps its blocks.
void Pins::Impl::release(const RelativePath& path) {
  const auto entry = find(path);
  if (!entry) {
    return;
  }
  const auto& [told, mapping, request] = *entry;
  bool is_shared = false;  // by another name of the file
  {
    auto entries = entries_.lock();
    entries->erase(path);
    const auto others = std::views::values(*entries);
    is_shared = std::ranges::find(others, mapping, &Entry::mapping) != others.end();
  }
  if (mapping != nullptr && !is_shared) {
    MemoryLocker::unlock(mapping->bytes());
    cache_.forget(told.device, told.inode);
  }
}

std::vector<PinnedFile> Pins::Impl::list() {
  std::vector<PinnedFile> files;
  const auto entries = entries_.lock();
  std::ranges::transform(std::views::values(*entries), std::back_inserter(files), &Entry::told);
  return files;
}

PinTotals Pins::Impl::totals() {
  PinTotals totals;
  const auto entries = entries_.lock();
  for (const auto& [path, entry] : *entries) {
    add(totals, entry.told);
  }
  return totals;
}

Pins::Pins(int root, MappingCache& cache) : impl_(std::make_unique<Impl>(root, cache)) {}

Pins::~Pins() = default;

Result<PinReport> Pins::pin(std::vector<PathPattern> patterns, std::optional<std::uint64_t> budget,
                            const std::stop_token& stop) {
  return impl_->pin(std::move(patterns), budget, stop);
}

Result<PinTotals> Pins::unpin(const std::vector<PathPattern>& patterns) {
  return impl_->unpin(patterns);
}

void Pins::update(const RelativePath& path) { impl_->update(path); }

void Pins::rescan(const std::stop_token& stop) { impl_->rescan(stop); }

std::vector<PinnedFile> Pins::list() const { return impl_->list(); }

PinTotals Pins::totals() const { return impl_->totals(); }

}  // namespace mmapdir
