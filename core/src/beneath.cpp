// SPDX-License-Identifier: MIT
#include "beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <string>
#include <utility>

#include "posix.h"

namespace mmapdir {
namespace {

// glibc 2.36 has no wrapper. EAGAIN means that something was renamed or mounted while ".." of a
// symbolic link was being followed, so that the kernel can't tell whether it stayed beneath; it
// advises to try again, and to set a limit (openat2(2)).
int openat2_beneath(int directory, const char* path, int flags, std::uint64_t resolve) {
  constexpr int kAttempts = 64;
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve;
  int fd = -1;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    fd = static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how));
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) {
      break;
    }
  }
  return fd;
}

Result<UniqueFd> open_part(int directory, const std::string& part, int flags, std::uint64_t resolve,
                           const RelativePath& whole) {
  UniqueFd fd(openat2_beneath(directory, part.empty() ? "." : part.c_str(), flags, resolve));
  if (!fd) {
    return std::unexpected(Error::from_errno(errno, "open", whole.string()));
  }
  return fd;
}

Result<UniqueFd> open_in_parts(int root, const RelativePath& path, int flags,
                               std::uint64_t resolve) {
  UniqueFd on_the_way;
  std::string rest = path.string();
  while (rest.size() >= PATH_MAX) {  // which counts the terminating NUL
    const auto cut = rest.rfind('/', PATH_MAX - 1);
    auto next = open_part(on_the_way ? on_the_way.get() : root, rest.substr(0, cut),
                          O_PATH | O_DIRECTORY, resolve, path);
    if (!next) {
      return next;
    }
    on_the_way = std::move(*next);
    rest.erase(0, cut + 1);
  }
  return open_part(on_the_way ? on_the_way.get() : root, rest, flags, resolve, path);
}

// O_NONBLOCK: a FIFO without a writer must not hold us up. It changes nothing for a regular file.
constexpr int kFileFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY;

Result<OpenFile> as_file(Result<UniqueFd> fd, const RelativePath& path) {
  if (!fd) {
    return std::unexpected(fd.error());
  }
  const auto status = file_status(fd->get(), path.string());
  if (!status) {
    return std::unexpected(status.error());
  }
  if (auto regular = check_is_regular(*status, path); !regular) {
    return std::unexpected(regular.error());
  }
  return OpenFile{.fd = std::move(*fd), .size = static_cast<std::uint64_t>(status->st_size)};
}

}  // namespace

Result<UniqueFd> open_beneath(int root, const RelativePath& path, int flags) {
  return open_in_parts(root, path, flags, 0);
}

Result<UniqueFd> open_itself_beneath(int root, const RelativePath& path, int flags) {
  return open_in_parts(root, path, flags, RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

Result<UniqueFd> open_directory_beneath(int root, const RelativePath& path) {
  return open_beneath(root, path, O_RDONLY | O_DIRECTORY);
}

Result<struct stat> status_beneath(int root, const RelativePath& path) {
  const auto fd = open_beneath(root, path, O_PATH);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  return file_status(fd->get(), path.string());
}

Result<OpenFile> open_file_beneath(int root, const RelativePath& path) {
  return as_file(open_beneath(root, path, kFileFlags), path);
}

Result<OpenFile> open_itself_as_file_beneath(int root, const RelativePath& path) {
  return as_file(open_itself_beneath(root, path, kFileFlags), path);
}

Result<void> check_is_regular(const struct stat& status, const RelativePath& path) {
  if (S_ISDIR(status.st_mode)) {
    return std::unexpected(Error(std::errc::is_a_directory, "use as a file", path.string()));
  }
  if (!S_ISREG(status.st_mode)) {
    return std::unexpected(
        Error(std::errc::operation_not_supported, "use special file", path.string()));
  }
  return {};
}

}  // namespace mmapdir
