// SPDX-License-Identifier: MIT
#include "mmapdir/file_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "beneath.h"
#include "temporary_file.h"

namespace mmapdir {
namespace {

struct CloseDirectory {
  void operator()(DIR* stream) const { ::closedir(stream); }
};
using DirectoryStream = std::unique_ptr<DIR, CloseDirectory>;

// A directory that was removed or replaced since it was named, or that another file system is
// mounted on, isn't part of the walk: so none of these is a failure.
bool is_out_of_reach(const Error& error) {
  return error.errnum() == ENOENT || error.errnum() == ENOTDIR || error.errnum() == ELOOP ||
         error.errnum() == EXDEV;
}

mode_t type_of(int directory, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) {
    return static_cast<mode_t>(DTTOIF(entry.d_type));
  }
  struct stat status{};
  const int result = ::fstatat(directory, entry.d_name, &status, AT_SYMLINK_NOFOLLOW);
  return result == 0 ? status.st_mode & S_IFMT : 0;
}

bool is_left_out(std::string_view name) {
  return name == "." || name == ".." || is_temporary_name(name);
}

}  // namespace

struct FileWalk::Names {
  std::vector<RelativePath> files;
  std::vector<RelativePath> directories;
};

FileWalk::FileWalk(int root, std::vector<PathPattern> patterns)
    : root_(root), patterns_(std::move(patterns)), has_matched_(patterns_.size()) {
  directories_.emplace_back();
}

std::optional<FoundFile> FileWalk::next() {
  while (files_.empty() && !directories_.empty()) {
    const auto directory = std::move(directories_.back());
    directories_.pop_back();
    list(directory);
  }
  if (files_.empty()) {
    return std::nullopt;
  }
  auto file = std::move(files_.back());
  files_.pop_back();
  return file;
}

std::vector<std::string> FileWalk::unmatched() const {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    if (!has_matched_[i]) {
      texts.push_back(patterns_[i].text());
    }
  }
  return texts;
}

void FileWalk::list(const RelativePath& directory) {
  auto names = names_in(directory);
  if (!names) {
    if (directory.is_root() || !is_out_of_reach(names.error())) {
      failures_.push_back({.path = directory, .error = names.error()});
    }
    return;
  }
  std::ranges::sort(names->files, std::greater{});
  for (auto& path : names->files) {
    if (const auto pattern = match(path)) {
      files_.push_back({.path = std::move(path), .pattern = *pattern});
    }
  }
  std::ranges::sort(names->directories, std::greater{});
  for (auto& path : names->directories) {
    if (may_match_beneath(path)) {
      directories_.push_back(std::move(path));
    }
  }
}

Result<FileWalk::Names> FileWalk::names_in(const RelativePath& directory) const {
  auto fd = open_itself_beneath(root_, directory, O_RDONLY | O_DIRECTORY);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  const DirectoryStream stream(::fdopendir(fd->get()));
  if (!stream) {
    return std::unexpected(Error::from_errno(errno, "list", directory.string()));
  }
  const int listed = fd->release();  // the stream's own from now on
  Names names;
  errno = 0;  // which is all that tells readdir's end from its failure
  // Each walk has streams of its own. NOLINTNEXTLINE(concurrency-mt-unsafe)
  while (const dirent* const entry = ::readdir(stream.get())) {
    const auto name = RelativePath::parse(entry->d_name);
    if (name && !is_left_out(entry->d_name)) {
      const auto type = type_of(listed, *entry);
      if (type == S_IFREG) {
        names.files.push_back(directory / *name);
      } else if (type == S_IFDIR) {
        names.directories.push_back(directory / *name);
      }
    }
    errno = 0;
  }
  if (errno != 0) {
    return std::unexpected(Error::from_errno(errno, "list", directory.string()));
  }
  return names;
}

std::optional<std::size_t> FileWalk::match(const RelativePath& path) {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    // One that has matched before needn't be tried only to learn that it matches again.
    if ((!first || !has_matched_[i]) && patterns_[i].matches(path.string())) {
      has_matched_[i] = true;
      first = first.value_or(i);
    }
  }
  return first;
}

bool FileWalk::may_match_beneath(const RelativePath& directory) const {
  return std::ranges::any_of(patterns_, [&](const PathPattern& pattern) {
    return pattern.may_match_beneath(directory.string());
  });
}

Result<FoundFiles> find_files(int root, std::vector<PathPattern> patterns) {
  FileWalk walk(root, std::move(patterns));
  FoundFiles found;
  while (auto file = walk.next()) {
    found.files.push_back(std::move(*file));
  }
  found.failures = walk.failures();
  if (!found.failures.empty() && found.failures.front().path.is_root()) {
    return std::unexpected(found.failures.front().error);
  }
  if (const auto unmatched = walk.unmatched(); !unmatched.empty()) {
    return std::unexpected(
        Error(std::errc::no_such_file_or_directory, "find a file for pattern", unmatched.front()));
  }
  std::ranges::stable_sort(found.files, {}, &FoundFile::pattern);
  return found;
}

Result<int> open_found_file(int root, const RelativePath& path) {
  auto file = open_itself_as_file_beneath(root, path);
  if (!file) {
    return std::unexpected(file.error());
  }
  return file->fd.release();
}

}  // namespace mmapdir
