// SPDX-License-Identifier: MIT
#include "support/memory_directory.h"

namespace mmapdir::test {
namespace {

Result<void> check_name_to_change(const RelativePath& path) {
  if (path.is_root()) {
    return std::unexpected(Error(std::errc::is_a_directory, "change"));
  }
  if (path.filename().starts_with(".mmapdir-tmp-")) {
    return std::unexpected(Error(std::errc::invalid_argument, "use reserved name", path.string()));
  }
  return {};
}

Result<void> check_names_to_change(const RelativePath& from, const RelativePath& to) {
  const auto allowed = check_name_to_change(from);
  return allowed ? check_name_to_change(to) : allowed;
}

// From the topmost to `path` itself, without the root.
std::vector<RelativePath> with_ancestors(RelativePath path) {
  std::vector<RelativePath> paths;
  for (; !path.is_root(); path = path.parent()) {
    paths.insert(paths.begin(), path);
  }
  return paths;
}

class NewFile final : public FileSink {
 public:
  NewFile(MemoryDirectory directory, RelativePath path)
      : directory_(std::move(directory)), path_(std::move(path)) {}

  Result<void> write(std::span<const std::byte> bytes) override {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return {};
  }
  Result<void> commit() override { return directory_.write(path_, bytes_); }

 private:
  MemoryDirectory directory_;
  RelativePath path_;
  std::vector<std::byte> bytes_;
};

}  // namespace

MemoryDirectory::MemoryDirectory() : tree_(std::make_shared<Guarded<Tree>>()) {}

Result<void> MemoryDirectory::Tree::check_directory(const RelativePath& path) const {
  for (const auto& part : with_ancestors(path)) {
    if (files.contains(part)) {
      return std::unexpected(Error(std::errc::not_a_directory, "open", path.string()));
    }
    if (!directories.contains(part)) {
      return std::unexpected(Error(std::errc::no_such_file_or_directory, "open", path.string()));
    }
  }
  return {};
}

Result<OwnedBytes> MemoryDirectory::Tree::find_file(const RelativePath& path) const {
  if (const auto checked = check_directory(path.parent()); !checked) {
    return std::unexpected(checked.error());
  }
  if (directories.contains(path)) {
    return std::unexpected(Error(std::errc::is_a_directory, "use as a file", path.string()));
  }
  const auto found = files.find(path);
  if (found == files.end()) {
    return std::unexpected(Error(std::errc::no_such_file_or_directory, "open", path.string()));
  }
  return found->second;
}

Result<void> MemoryDirectory::Tree::make_fit_for_file(const RelativePath& path) {
  for (const auto& part : with_ancestors(path.parent())) {
    if (files.contains(part)) {
      return std::unexpected(Error(std::errc::not_a_directory, "open", path.string()));
    }
    directories.insert(part);
  }
  if (directories.contains(path)) {
    return std::unexpected(Error(std::errc::is_a_directory, "change", path.string()));
  }
  return {};
}

void MemoryDirectory::make_directory(const RelativePath& path) {
  const auto tree = tree_->lock();
  for (const auto& part : with_ancestors(path)) {
    tree->directories.insert(part);
  }
}

Result<bool> MemoryDirectory::exists(const RelativePath& path) const {
  return tree_->lock()->files.contains(path);
}

Result<std::uint64_t> MemoryDirectory::file_size(const RelativePath& path) const {
  const auto bytes = tree_->lock()->find_file(path);
  if (!bytes) {
    return std::unexpected(bytes.error());
  }
  return bytes->size();
}

Result<FileSlice> MemoryDirectory::open_read(const RelativePath& path) const {
  const auto bytes = tree_->lock()->find_file(path);
  if (!bytes) {
    return std::unexpected(bytes.error());
  }
  return FileSlice(*bytes);
}

Result<LazyFileHandle> MemoryDirectory::open_lazy(const RelativePath& path) const {
  const auto file = open_read(path);
  if (!file) {
    return std::unexpected(file.error());
  }
  return LazyFileHandle(file->length(), [file = *file] { return file; });
}

Result<OwnedBytes> MemoryDirectory::read_range(const RelativePath& path, ByteRange range) const {
  const auto file = open_read(path);
  if (!file) {
    return std::unexpected(file.error());
  }
  return file->read_range(range);
}

Result<std::vector<RelativePath>> MemoryDirectory::list_files(const RelativePath& directory) const {
  const auto tree = tree_->lock();
  if (const auto checked = tree->check_directory(directory); !checked) {
    return std::unexpected(checked.error());
  }
  std::vector<RelativePath> paths;
  for (const auto& [path, bytes] : tree->files) {
    if (path.parent() == directory) {
      paths.push_back(path);
    }
  }
  return paths;
}

Result<void> MemoryDirectory::write(const RelativePath& path, std::span<const std::byte> bytes) {
  if (const auto allowed = check_name_to_change(path); !allowed) {
    return allowed;
  }
  const auto tree = tree_->lock();
  if (const auto fit = tree->make_fit_for_file(path); !fit) {
    return fit;
  }
  tree->files.insert_or_assign(path, OwnedBytes::copy_of(bytes));
  return {};
}

Result<FileWriter> MemoryDirectory::create(const RelativePath& path) {
  if (const auto allowed = check_name_to_change(path); !allowed) {
    return std::unexpected(allowed.error());
  }
  if (const auto fit = tree_->lock()->make_fit_for_file(path); !fit) {
    return std::unexpected(fit.error());
  }
  return FileWriter(path, std::make_unique<NewFile>(*this, path));
}

Result<void> MemoryDirectory::remove(const RelativePath& path) {
  if (const auto allowed = check_name_to_change(path); !allowed) {
    return allowed;
  }
  const auto tree = tree_->lock();
  if (const auto found = tree->find_file(path); !found) {
    return std::unexpected(found.error());
  }
  tree->files.erase(path);
  return {};
}

Result<void> MemoryDirectory::rename(const RelativePath& from, const RelativePath& to) {
  if (const auto allowed = check_names_to_change(from, to); !allowed) {
    return allowed;
  }
  const auto tree = tree_->lock();
  const auto bytes = tree->find_file(from);
  if (!bytes) {
    return std::unexpected(bytes.error());
  }
  if (const auto checked = tree->check_directory(to.parent()); !checked) {
    return checked;
  }
  if (tree->directories.contains(to)) {
    return std::unexpected(Error(std::errc::is_a_directory, "rename", from.string()));
  }
  tree->files.erase(from);
  tree->files.insert_or_assign(to, *bytes);
  return {};
}

Result<void> MemoryDirectory::link(const RelativePath& from, const RelativePath& to) {
  if (const auto allowed = check_names_to_change(from, to); !allowed) {
    return allowed;
  }
  const auto tree = tree_->lock();
  const auto bytes = tree->find_file(from);
  if (!bytes) {
    return std::unexpected(bytes.error());
  }
  if (const auto checked = tree->check_directory(to.parent()); !checked) {
    return checked;
  }
  if (tree->directories.contains(to) || tree->files.contains(to)) {
    return std::unexpected(Error(std::errc::file_exists, "link", from.string()));
  }
  tree->files.emplace(to, *bytes);
  return {};
}

Result<FileLock> MemoryDirectory::lock(const RelativePath& path, LockMode mode) {
  if (const auto allowed = check_name_to_change(path); !allowed) {
    return std::unexpected(allowed.error());
  }
  const auto tree = tree_->lock();
  if (const auto fit = tree->make_fit_for_file(path); !fit) {
    return std::unexpected(fit.error());
  }
  tree->files.try_emplace(path);
  const bool exclusive = mode == LockMode::kExclusive;
  auto& locks = tree->locks[path];
  if (locks.exclusive || (exclusive && locks.shared > 0)) {
    return std::unexpected(Error(std::errc::resource_unavailable_try_again, "lock", path.string()));
  }
  locks.exclusive = exclusive;
  locks.shared += exclusive ? 0 : 1;
  return FileLock(std::shared_ptr<const void>(&locks, [trees = tree_, exclusive](Locks* held) {
    const auto release = trees->lock();
    held->exclusive = false;
    held->shared -= exclusive ? 0 : 1;
  }));
}

}  // namespace mmapdir::test
