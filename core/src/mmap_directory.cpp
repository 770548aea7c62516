// SPDX-License-Identifier: MIT
#include "mmapdir/mmap_directory.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "beneath.h"
#include "directory_changer.h"
#include "list_directory.h"
#include "mmapdir/advice_rules.h"
#include "support/guarded.h"
#include "support/unique_fd.h"

namespace mmapdir {
namespace {

std::shared_ptr<MappingCache> cache_of(MmapDirectoryOptions options) {
  if (auto* const shared = std::get_if<std::shared_ptr<MappingCache>>(&options.mappings)) {
    return std::move(*shared);
  }
  return std::make_shared<MappingCache>(std::get<MappingLimits>(options.mappings));
}

// The first `length` bytes, mapped if that can be; the cache counts when it can't. A file that was
// truncated since its length was asked has a mapping too short: pread tells the truth about it.
FileSlice map_or_keep_open(MappingCache& cache, UniqueFd fd, std::uint64_t length, Advice advice) {
  if (auto mapping = cache.acquire(fd.get(), advice);
      mapping && (*mapping)->bytes().size() >= length) {
    const auto bytes = (*mapping)->bytes().first(static_cast<std::size_t>(length));
    return FileSlice(OwnedBytes(std::move(*mapping), bytes));
  }
  return FileSlice::from_descriptor(fd.release(), length);
}

// Keeps the changer alive, and the root with it.
class NewFile final : public FileSink {
 public:
  NewFile(std::shared_ptr<DirectoryChanger> changer, RelativePath path, TemporaryFile file)
      : changer_(std::move(changer)), path_(std::move(path)), file_(std::move(file)) {}

  Result<void> write(std::span<const std::byte> bytes) override { return file_.write(bytes); }
  Result<void> commit() override { return changer_->commit(file_, path_); }

 private:
  std::shared_ptr<DirectoryChanger> changer_;
  RelativePath path_;
  TemporaryFile file_;
};

}  // namespace

struct MmapDirectory::State {
  State(UniqueFd root_directory, std::shared_ptr<MappingCache> mappings)
      : root(std::move(root_directory)),
        cache(std::move(mappings)),
        changer(root.get()),
        pins(root.get(), *cache) {}

  Advice advice_for(const RelativePath& path) {
    const auto given = rules.lock();
    return mmapdir::advice_for(*given, path.string());
  }

  const UniqueFd root;
  const std::shared_ptr<MappingCache> cache;
  DirectoryChanger changer;
  Pins pins;
  Guarded<std::vector<AdviceRule>> rules;
};

MmapDirectory::MmapDirectory(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<MmapDirectory> MmapDirectory::open(const std::filesystem::path& root,
                                          MmapDirectoryOptions options) {
  UniqueFd fd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    return std::unexpected(Error::from_errno(errno, "open directory", root.native()));
  }
  return MmapDirectory(std::make_shared<State>(std::move(fd), cache_of(std::move(options))));
}

const std::shared_ptr<MappingCache>& MmapDirectory::mapping_cache() const { return state_->cache; }

void MmapDirectory::clear_cache() { state_->cache->clear(); }

Result<bool> MmapDirectory::exists(const RelativePath& path) const {
  const auto status = status_beneath(state_->root.get(), path);
  if (status) {
    return S_ISREG(status->st_mode);
  }
  if (status.error().errnum() == ENOENT || status.error().errnum() == ENOTDIR) {
    return false;
  }
  return std::unexpected(status.error());
}

Result<std::uint64_t> MmapDirectory::file_size(const RelativePath& path) const {
  const auto status = status_beneath(state_->root.get(), path);
  if (!status) {
    return std::unexpected(status.error());
  }
  if (const auto regular = check_is_regular(*status, path); !regular) {
    return std::unexpected(regular.error());
  }
  return static_cast<std::uint64_t>(status->st_size);
}

Result<FileSlice> MmapDirectory::open_read(const RelativePath& path) const {
  auto file = open_file_beneath(state_->root.get(), path);
  if (!file) {
    return std::unexpected(file.error());
  }
  return map_or_keep_open(*state_->cache, std::move(file->fd), file->size,
                          state_->advice_for(path));
}

Result<LazyFileHandle> MmapDirectory::open_lazy(const RelativePath& path) const {
  auto file = open_file_beneath(state_->root.get(), path);
  if (!file) {
    return std::unexpected(file.error());
  }
  // A std::function must be copyable, so what it owns has to be shared.
  auto fd = std::make_shared<UniqueFd>(std::move(file->fd));
  return LazyFileHandle(file->size, [cache = state_->cache, fd, length = file->size,
                                     advice = state_->advice_for(path)] {
    return map_or_keep_open(*cache, std::move(*fd), length, advice);
  });
}

Result<OwnedBytes> MmapDirectory::read_range(const RelativePath& path, ByteRange range) const {
  const auto file = open_read(path);
  if (!file) {
    return std::unexpected(file.error());
  }
  return file->read_range(range);
}

Result<std::vector<RelativePath>> MmapDirectory::list_files(const RelativePath& directory) const {
  return list_files_beneath(state_->root.get(), directory);
}

Result<void> MmapDirectory::write(const RelativePath& path, std::span<const std::byte> bytes) {
  return state_->changer.write(path, bytes);
}

Result<FileWriter> MmapDirectory::create(const RelativePath& path) {
  auto file = state_->changer.create(path);
  if (!file) {
    return std::unexpected(file.error());
  }
  std::shared_ptr<DirectoryChanger> changer(state_, &state_->changer);
  return FileWriter(path, std::make_unique<NewFile>(std::move(changer), path, std::move(*file)));
}

Result<void> MmapDirectory::remove(const RelativePath& path) {
  return state_->changer.remove(path);
}

Result<void> MmapDirectory::rename(const RelativePath& from, const RelativePath& to) {
  return state_->changer.rename(from, to);
}

Result<void> MmapDirectory::link(const RelativePath& from, const RelativePath& to) {
  return state_->changer.link(from, to);
}

Result<FileLock> MmapDirectory::lock(const RelativePath& path, LockMode mode) {
  return state_->changer.lock(path, mode);
}

Result<void> MmapDirectory::sync() { return state_->changer.sync(); }

Result<Residency> MmapDirectory::residency(const RelativePath& path, std::size_t max_cells) const {
  const auto file = open_file_beneath(state_->root.get(), path);
  if (!file) {
    return std::unexpected(file.error());
  }
  return residency_of(file->fd.get(), max_cells);
}

Result<void> MmapDirectory::advise(const RelativePath& path, ByteRange range, Advice advice) const {
  const auto file = open_file_beneath(state_->root.get(), path);
  if (!file) {
    return std::unexpected(file.error());
  }
  const auto mapping = state_->cache->acquire(file->fd.get(), state_->advice_for(path));
  if (!mapping) {
    return std::unexpected(mapping.error());
  }
  return mmapdir::advise(**mapping, range, advice);
}

Result<void> MmapDirectory::advise_pattern(std::string_view pattern, Advice advice) {
  auto compiled = PathPattern::compile(pattern);
  if (!compiled) {
    return std::unexpected(compiled.error());
  }
  state_->rules.lock()->push_back({.pattern = std::move(*compiled), .advice = advice});
  return {};
}

Result<void> MmapDirectory::prefetch(const RelativePath& path, ByteRange range) const {
  const auto file = open_file_beneath(state_->root.get(), path);
  if (!file) {
    return std::unexpected(file.error());
  }
  if (!range.fits(file->size)) {
    return std::unexpected(
        Error(std::errc::invalid_argument, "prefetch beyond the end of", path.string()));
  }
  if (range.length == 0) {  // which posix_fadvise takes for all that follows
    return {};
  }
  return advise_file(file->fd.get(), range, Advice::kWillNeed);
}

Result<WarmReport> MmapDirectory::warm(std::vector<PathPattern> patterns,
                                       const WarmOptions& options,
                                       const WarmProgressCallback& progress,
                                       const std::stop_token& stop) const {
  return mmapdir::warm(state_->root.get(), std::move(patterns), options, progress, stop);
}

Pins& MmapDirectory::pins() const { return state_->pins; }

Result<HotSetSaved> MmapDirectory::save_hot_set(const std::filesystem::path& file,
                                                const std::stop_token& stop) const {
  return mmapdir::save_hot_set(state_->root.get(), file, stop);
}

Result<HotSetLoaded> MmapDirectory::load_hot_set(const std::filesystem::path& file,
                                                 const WarmOptions& options,
                                                 const WarmProgressCallback& progress,
                                                 const std::stop_token& stop) const {
  return mmapdir::load_hot_set(state_->root.get(), file, options, progress, stop);
}

}  // namespace mmapdir
