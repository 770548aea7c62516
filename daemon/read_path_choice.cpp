// SPDX-License-Identifier: MIT
#include "read_path_choice.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "fs/directory_stream.h"

namespace mmapdirfs {
namespace {

// A regular file to try things on: one from the source's top, since limits are its file system's,
// or an anonymous one where none is at hand.
UniqueFd file_to_try(int root) {
  constexpr int kEntriesToLookAt = 1000;
  DirectoryStream stream(UniqueFd(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  std::uint64_t cookie = 0;
  for (int i = 0; i < kEntriesToLookAt; ++i) {
    const auto entry = stream.next(cookie);
    if (!entry || *entry == nullptr) {
      break;
    }
    cookie = (*entry)->next;
    if ((*entry)->type != S_IFREG) {
      continue;
    }
    UniqueFd fd(::openat(root, (*entry)->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat info{};
    // It may have been exchanged for a directory meanwhile; an empty file can't be mapped.
    if (fd && ::fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
      return fd;
    }
  }
  return UniqueFd(::memfd_create("mmapdirfs-probe", MFD_CLOEXEC));
}

std::string why_not(const Error& error) {
  switch (error.errnum()) {
    case EPERM:
      return "it needs CAP_SYS_ADMIN in the initial user namespace: run mmapdirfs as root, outside "
             "a rootless container";
    case ELOOP:
      return "the source lies on too many stacked file systems (overlayfs, FUSE) for the kernel";
    default:
      return error.message();
  }
}

// Nothing where passthrough works, else why it doesn't.
std::optional<std::string> try_passthrough(bool kernel_offers, int file,
                                           BackingRegistry& backings) {
  if (!kernel_offers) {
    return "this kernel doesn't offer it (Linux 6.9 and newer with CONFIG_FUSE_PASSTHROUGH do)";
  }
  const auto id = backings.open(file, {.uid = ::geteuid(), .gid = ::getegid(), .umask = 0});
  if (!id) {
    return why_not(id.error());
  }
  backings.close(*id);
  return std::nullopt;
}

std::unexpected<StartError> refuse(ReadPath path, std::string_view reason) {
  return std::unexpected(
      StartError{fmt::format("--read-path={} can't be had: {}; --read-path=auto takes what can be",
                             name_of(path), reason)});
}

}  // namespace

const char* name_of(ReadPath path) {
  switch (path) {
    case ReadPath::kPassthrough:
      return "passthrough";
    case ReadPath::kMapped:
      return "mapped";
    case ReadPath::kPlain:
      return "plain";
  }
  return "unknown";
}

std::expected<ReadPathChoice, StartError> choose_read_path(std::optional<ReadPath> asked,
                                                           bool kernel_offers_passthrough, int root,
                                                           BackingRegistry& backings,
                                                           mmapdir::MappingCache& cache) {
  if (asked == ReadPath::kPlain) {
    return ReadPathChoice{.path = ReadPath::kPlain, .advice = {}};
  }
  const UniqueFd file = file_to_try(root);
  std::string advice;
  if (asked != ReadPath::kMapped) {
    const auto obstacle = try_passthrough(kernel_offers_passthrough, file.get(), backings);
    if (!obstacle) {
      return ReadPathChoice{.path = ReadPath::kPassthrough, .advice = {}};
    }
    if (asked == ReadPath::kPassthrough) {
      return refuse(*asked, *obstacle);
    }
    advice = "passthrough would be faster, but " + *obstacle;
  }
  if (const auto mapping = cache.acquire(file.get()); !mapping) {
    if (asked == ReadPath::kMapped) {
      return refuse(*asked, mapping.error().message());
    }
    return ReadPathChoice{.path = ReadPath::kPlain,
                          .advice = advice + "; mapping would be faster than plain reads, but " +
                                    mapping.error().message()};
  }
  cache.clear();  // nobody has asked for the file that was tried
  return ReadPathChoice{.path = ReadPath::kMapped, .advice = std::move(advice)};
}

}  // namespace mmapdirfs
