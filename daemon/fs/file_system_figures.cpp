// SPDX-License-Identifier: MIT
// What a mount holds of its files at this moment.
#include <fcntl.h>
#include <sys/sysmacros.h>

#include <memory>
#include <unordered_set>
#include <utility>

#include "fs/file_system.h"
#include "fs/mapped_paths.h"

namespace mmapdirfs {
namespace {

// All that is known of a file that isn't found any more.
Attributes attributes_of(const mmapdir::MappedFile& file) {
  Attributes attributes{};
  attributes.stx_dev_major = ::major(file.device);
  attributes.stx_dev_minor = ::minor(file.device);
  attributes.stx_ino = file.inode;
  attributes.stx_size = file.bytes;
  return attributes;
}

}  // namespace

void FileSystem::visit_files(const std::function<void(const FileFigures&)>& visit) {
  std::unordered_set<SourceIdentity> visited;
  for (auto& [node, inode] : open_inodes_.all()) {
    auto attributes = Source::attributes(inode->fd()->get());
    if (attributes) {
      const SourceIdentity identity = identity_of(*attributes);
      visited.insert(identity);
      show(*attributes);
      visit({.identity = identity,
             .attributes = *attributes,
             .fd = inode->fd(),
             .path = source_.path_of(inode->fd()->get()),
             .read_path = inode->path(),
             .use = inode->use()});
    }
    inode.reset();
    open_inodes_.prune(node);  // this may have been the last to have it
  }
  visit_mapped_files(visited, visit);
}

// Opens one file at a time: there can be far more mappings than descriptors.
void FileSystem::visit_mapped_files(const std::unordered_set<SourceIdentity>& but,
                                    const std::function<void(const FileFigures&)>& visit) {
  auto mapped = cache_.mapped_files();
  std::erase_if(mapped, [&](const mmapdir::MappedFile& file) {
    return but.contains({.device = file.device, .inode = file.inode});
  });
  if (mapped.empty()) {
    return;
  }
  const auto paths = mapped_paths(source_.root_path());
  for (const auto& file : mapped) {
    FileFigures figures{.identity = {.device = file.device, .inode = file.inode},
                        .attributes = attributes_of(file),
                        .read_path = read_path_};
    const auto path = paths.find(file.address);
    if (path != paths.end()) {
      find_again(path->second, figures);
    }
    show(figures.attributes);
    visit(figures);
  }
}

// Fills in what is known of the file if that is the one that the path leads to.
void FileSystem::find_again(const std::string& path, FileFigures& figures) const {
  const auto found = source_.open_path(path);
  if (!found) {
    return;
  }
  const auto attributes = Source::attributes(found->get());
  if (!attributes || identity_of(*attributes) != figures.identity) {
    return;
  }
  figures.attributes = *attributes;
  figures.path = path;
  if (auto readable = source_.reopen(found->get(), O_RDONLY | O_NONBLOCK)) {
    figures.fd = std::make_shared<const UniqueFd>(std::move(*readable));
  }
}

}  // namespace mmapdirfs
