// SPDX-License-Identifier: MIT
#include "list_directory.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "beneath.h"
#include "temporary_file.h"

namespace mmapdir {
namespace {

struct CloseDirectory {
  void operator()(DIR* stream) const { ::closedir(stream); }
};
using DirectoryStream = std::unique_ptr<DIR, CloseDirectory>;

Result<DirectoryStream> open_stream(int root, const RelativePath& directory) {
  auto fd = open_directory_beneath(root, directory);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  DirectoryStream stream(::fdopendir(fd->get()));
  if (!stream) {
    return std::unexpected(Error::from_errno(errno, "list", directory.string()));
  }
  fd->release();  // the stream's own from now on
  return stream;
}

// Whether the entry is a file by the Directory's definition. A link whose target is missing, out of
// reach or outside the root is none, and neither is what has gone meanwhile.
bool is_file(int root, const dirent& entry, const RelativePath& path) {
  if (entry.d_type != DT_LNK && entry.d_type != DT_UNKNOWN) {
    return entry.d_type == DT_REG;
  }
  const auto status = status_beneath(root, path);
  return status && S_ISREG(status->st_mode);
}

bool is_hidden(std::string_view name) {
  return name == "." || name == ".." || is_temporary_name(name);
}

}  // namespace

Result<std::vector<RelativePath>> list_files_beneath(int root, const RelativePath& directory) {
  const auto stream = open_stream(root, directory);
  if (!stream) {
    return std::unexpected(stream.error());
  }
  std::vector<RelativePath> files;
  errno = 0;  // which is all that tells readdir's end from its failure
  // Each call has a stream of its own. NOLINTNEXTLINE(concurrency-mt-unsafe)
  while (const dirent* const entry = ::readdir(stream->get())) {
    if (!is_hidden(entry->d_name)) {
      const auto name = RelativePath::parse(entry->d_name);
      if (!name) {
        return std::unexpected(name.error());
      }
      if (auto path = directory / *name; is_file(root, *entry, path)) {
        files.push_back(std::move(path));
      }
    }
    errno = 0;
  }
  if (errno != 0) {
    return std::unexpected(Error::from_errno(errno, "list", directory.string()));
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace mmapdir
