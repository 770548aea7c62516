// SPDX-License-Identifier: MIT
#include "mmapdir/hot_set.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "available_memory.h"
#include "beneath.h"
#include "hot_set_format.h"
#include "mmapdir/residency.h"
#include "posix.h"
#include "support/unique_fd.h"
#include "temporary_file.h"
#include "warmer.h"

namespace mmapdir {
namespace fs = std::filesystem;
namespace {

// Far above what a terabyte of memory needs, and still no trouble to hold.
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30U;
constexpr mode_t kForOwnerOnly = 0600;

double share_in_memory(const HotFile& file) {
  return static_cast<double>(bytes_in(file)) /
         static_cast<double>(std::max<std::uint64_t>(file.size, 1));
}

Result<HotFile> hot_file(int root, const RelativePath& path) {
  const auto file = open_itself_as_file_beneath(root, path);
  if (!file) {
    return std::unexpected(file.error());
  }
  // Before its pages: if it is changed meanwhile, a load sees that it was.
  const auto status = file_status(file->fd.get(), path.string());
  if (!status) {
    return std::unexpected(status.error());
  }
  auto ranges = resident_ranges(file->fd.get());
  if (!ranges) {
    return std::unexpected(ranges.error());
  }
  HotFile hot{.path = path,
              .size = static_cast<std::uint64_t>(status->st_size),
              .modified = status->st_mtim};
  for (const auto& range : *ranges) {
    if (range.fits(hot.size)) {  // unless it has grown in the moment between
      hot.ranges.push_back(range);
    }
  }
  return hot;
}

// A regular file that may be there already, open for reading; nothing if there is none.
Result<UniqueFd> open_hot_set(int directory, const fs::path& name, const fs::path& subject) {
  UniqueFd fd(retry_interrupted([&] {
    return ::openat(directory, name.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  }));
  if (!fd) {
    return std::unexpected(Error::from_errno(errno, "open hot set", subject.native()));
  }
  const auto status = file_status(fd.get(), subject.native());
  if (!status) {
    return std::unexpected(status.error());
  }
  if (!S_ISREG(status->st_mode) || static_cast<std::uint64_t>(status->st_size) > kMostBytes) {
    return std::unexpected(
        Error(std::errc::invalid_argument, "load, as it is no hot set,", subject.native()));
  }
  return fd;
}

Result<std::string> read_all(int fd, std::uint64_t most) {
  const auto status = file_status(fd);
  if (!status) {
    return std::unexpected(status.error());
  }
  std::string text(std::min(static_cast<std::uint64_t>(status->st_size), most), '\0');
  if (const auto read = read_exactly(fd, 0, std::as_writable_bytes(std::span(text))); !read) {
    return std::unexpected(read.error());
  }
  return text;
}

// An empty file is nobody's loss: mktemp(1) makes such.
Result<void> check_is_replaceable(int directory, const fs::path& file) {
  const Error is_foreign(std::errc::file_exists, "replace, as it is no hot set,", file.native());
  const auto existing = open_hot_set(directory, file.filename(), file);
  if (!existing && existing.error().errnum() == ENOENT) {
    return {};
  }
  if (!existing) {
    return std::unexpected(existing.error().errnum() == EINVAL ? is_foreign : existing.error());
  }
  constexpr std::uint64_t kEnoughToTell = 64;
  const auto beginning = read_all(existing->get(), kEnoughToTell);
  if (!beginning) {
    return std::unexpected(beginning.error());
  }
  if (!beginning->empty() && !begins_as_hot_set(*beginning)) {
    return std::unexpected(is_foreign);
  }
  return {};
}

Result<void> replace_file(const fs::path& file, std::string_view text) {
  const fs::path parent = file.has_parent_path() ? file.parent_path() : fs::path(".");
  UniqueFd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) {
    return std::unexpected(Error::from_errno(errno, "open directory", parent.native()));
  }
  if (auto replaceable = check_is_replaceable(directory.get(), file); !replaceable) {
    return replaceable;
  }
  auto made = TemporaryFile::create(std::move(directory), kForOwnerOnly, file.native());
  if (!made) {
    return std::unexpected(made.error());
  }
  auto result = made->write(std::as_bytes(std::span(text)));
  if (result) {
    result = made->finish();
  }
  if (result) {
    result = made->replace(file.filename().c_str());
  }
  return result ? sync_to_disk(made->directory(), parent.native()) : result;
}

// Why the file isn't what it was; empty if it is.
std::string find_change(int root, const HotFile& file) {
  const auto open = open_itself_as_file_beneath(root, file.path);
  if (!open) {
    return open.error().errnum() == ENOENT ? "gone" : open.error().code().message();
  }
  const auto status = file_status(open->fd.get());
  if (!status) {
    return status.error().code().message();
  }
  const bool is_same = open->size == file.size && status->st_mtim.tv_sec == file.modified.tv_sec &&
                       status->st_mtim.tv_nsec == file.modified.tv_nsec;
  return is_same ? "" : "changed";
}

}  // namespace

Result<HotSetSaved> save_hot_set(int root, const fs::path& file, const std::stop_token& stop) {
  if (!file.has_filename()) {
    return std::unexpected(Error(std::errc::invalid_argument, "save hot set", file.native()));
  }
  auto everything = PathPattern::compile("**");
  if (!everything) {
    return std::unexpected(everything.error());
  }
  std::vector<PathPattern> patterns;
  patterns.push_back(std::move(*everything));
  FileWalk walk(root, std::move(patterns));
  HotSetSaved saved;
  std::vector<HotFile> files;
  while (const auto found = walk.next()) {
    if (stop.stop_requested()) {
      return std::unexpected(Error(std::errc::operation_canceled, "save hot set", file.native()));
    }
    auto hot = hot_file(root, found->path);
    if (!hot) {
      if (hot.error().errnum() != ENOENT) {  // else it has just gone
        saved.failures.push_back({.path = found->path, .error = hot.error()});
      }
      continue;
    }
    if (!hot->ranges.empty()) {
      saved.bytes += bytes_in(*hot);
      files.push_back(std::move(*hot));
    }
  }
  saved.files = files.size();
  saved.failures.insert(saved.failures.end(), walk.failures().begin(), walk.failures().end());
  for (const auto& failure : walk.failures()) {
    if (failure.path.is_root()) {  // nothing was seen, which says nothing of what is in memory
      return std::unexpected(failure.error);
    }
  }
  std::ranges::stable_sort(files, std::greater{}, share_in_memory);
  if (const auto written = replace_file(file, format_hot_set(files)); !written) {
    return std::unexpected(written.error());
  }
  return saved;
}

Result<HotSetLoaded> load_hot_set(int root, const fs::path& file, const WarmOptions& options,
                                  const WarmProgressCallback& progress,
                                  const std::stop_token& stop) {
  const auto fd = open_hot_set(AT_FDCWD, file, file);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  const auto text = read_all(fd->get(), kMostBytes);
  if (!text) {
    return std::unexpected(text.error());
  }
  auto files = parse_hot_set(*text, file.native());
  if (!files) {
    return std::unexpected(files.error());
  }
  HotSetLoaded loaded;
  std::vector<WarmRequest> requests;
  for (auto& hot : *files) {
    if (stop.stop_requested()) {
      loaded.warmed.stopped_by = WarmStop::kCancel;
      return loaded;
    }
    if (auto change = find_change(root, hot); !change.empty()) {
      loaded.skipped.push_back({.path = std::move(hot.path), .reason = std::move(change)});
    } else {
      requests.push_back({.path = std::move(hot.path), .ranges = std::move(hot.ranges)});
    }
  }
  const AvailableMemory memory;
  loaded.warmed = Warmer(root, options, memory, progress, stop).warm(requests);
  return loaded;
}

}  // namespace mmapdir
