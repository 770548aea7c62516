// SPDX-License-Identifier: MIT
#include "temporary_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "posix.h"

namespace mmapdir {
namespace {

constexpr std::string_view kPrefix = ".mmapdir-tmp-";

// Random, so that neither processes nor hosts that share the directory meet.
Result<std::string> random_name() {
  std::uint64_t number = 0;
  if (::getentropy(&number, sizeof number) != 0) {
    return std::unexpected(Error::from_errno(errno, "draw a random name"));
  }
  constexpr int kHexadecimal = 16;
  std::array<char, 2 * sizeof number> digits{};
  char* const end =
      std::to_chars(digits.data(), digits.data() + digits.size(), number, kHexadecimal).ptr;
  return std::string(kPrefix).append(digits.data(), end);
}

}  // namespace

bool is_temporary_name(std::string_view name) { return name.starts_with(kPrefix); }

Result<TemporaryFile> TemporaryFile::create(UniqueFd directory, mode_t mode,
                                            std::string_view subject) {
  auto name = random_name();
  if (!name) {
    return std::unexpected(name.error());
  }
  // 64 random bits don't meet by chance, so EEXIST needs no second try.
  UniqueFd fd(retry_interrupted([&] {
    return ::openat(directory.get(), name->c_str(),
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  }));
  if (!fd) {
    return std::unexpected(Error::from_errno(errno, "create", subject));
  }
  return TemporaryFile(std::move(directory), std::move(fd), std::move(*name), subject);
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : directory_(std::move(other.directory_)),
      fd_(std::move(other.fd_)),
      name_(std::exchange(other.name_, {})),
      subject_(std::move(other.subject_)) {}

TemporaryFile::~TemporaryFile() {
  if (!name_.empty()) {
    ::unlinkat(directory_.get(), name_.c_str(), 0);
  }
}

Result<void> TemporaryFile::set_mode(mode_t mode) {
  if (::fchmod(fd_.get(), mode) != 0) {
    return std::unexpected(Error::from_errno(errno, "set the mode of", subject_));
  }
  return {};
}

Result<void> TemporaryFile::write(std::span<const std::byte> bytes) {
  return write_all(fd_.get(), bytes, subject_);
}

Result<void> TemporaryFile::finish() {
  if (auto synced = sync_to_disk(fd_.get(), subject_); !synced) {
    return synced;
  }
  // Some file systems tell of a failed write only here. After EINTR the descriptor is closed
  // nevertheless, and the bytes are on disk already.
  if (::close(fd_.release()) != 0 && errno != EINTR) {
    return std::unexpected(Error::from_errno(errno, "close", subject_));
  }
  return {};
}

Result<void> TemporaryFile::replace(const char* name) {
  if (::renameat(directory_.get(), name_.c_str(), directory_.get(), name) != 0) {
    return std::unexpected(Error::from_errno(errno, "replace", subject_));
  }
  name_.clear();
  return {};
}

}  // namespace mmapdir
