// SPDX-License-Identifier: MIT
#include "watch/fanotify_group.h"

#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "fs/source.h"
#include "support/retry_interrupted.h"

namespace mmapdirfs {
namespace {

// No FAN_CLOSE_NOWRITE, FAN_ACCESS or FAN_OPEN: reading changes nothing. FAN_CLOSE_WRITE because
// what is written through a mapping isn't reported before.
constexpr std::uint64_t kChanges = FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO |
                                   FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE_WRITE | FAN_ONDIR |
                                   FAN_EVENT_ON_CHILD;

// Reads a structure that may stand anywhere; the caller has checked that it is there.
template <class T>
T load(std::span<const std::byte> bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What follows an information record's header: the file system's id, the handle and, in some
// records, the name with a zero byte behind it.
struct FileId {
  std::string handle;  // as Locator has it
  std::string_view rest;
};

FileId file_id_of(std::span<const std::byte> record) {
  const auto raw = record.subspan(sizeof(fanotify_event_info_fid));
  const auto handle = load<file_handle>(raw);
  const auto bytes = raw.subspan(offsetof(file_handle, f_handle));
  FileId id;
  id.handle.reserve(sizeof handle.handle_type + handle.handle_bytes);
  id.handle.append(reinterpret_cast<const char*>(&handle.handle_type), sizeof handle.handle_type);
  id.handle.append(text_of(bytes.first(handle.handle_bytes)));
  id.rest = text_of(bytes.subspan(handle.handle_bytes));
  return id;
}

// `event` is one event: its metadata, then its records. The kernel's lengths are trusted.
Change change_of(std::span<const std::byte> event) {
  const auto metadata = load<fanotify_event_metadata>(event);
  Change change{.mask = metadata.mask,
                .is_own = metadata.pid == ::getpid(),
                .directory = {},
                .name = {},
                .target = {}};
  auto records = event.subspan(metadata.metadata_len);
  while (records.size() >= sizeof(fanotify_event_info_header)) {
    const auto header = load<fanotify_event_info_header>(records);
    const auto record = records.first(header.len);
    records = records.subspan(header.len);
    switch (header.info_type) {
      case FAN_EVENT_INFO_TYPE_DFID_NAME: {
        FileId id = file_id_of(record);
        change.directory = std::move(id.handle);
        change.name = id.rest.substr(0, id.rest.find('\0'));
        break;
      }
      case FAN_EVENT_INFO_TYPE_FID:
        change.target = file_id_of(record).handle;
        break;
      default:
        break;  // kinds that weren't asked for
    }
  }
  return change;
}

}  // namespace

Result<FanotifyGroup> FanotifyGroup::create() {
  UniqueFd group(::fanotify_init(
      FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME_TARGET, O_RDONLY));
  if (!group) {
    return std::unexpected(Error::from_errno(errno, "watch the source"));
  }
  return FanotifyGroup(std::move(group));
}

// By the descriptor's link in /proc: without a path fanotify_mark takes no O_PATH descriptor.
Result<void> FanotifyGroup::mark(unsigned how, int fd) {
  if (::fanotify_mark(group_.get(), how, kChanges, AT_FDCWD, ProcPath(fd).c_str()) != 0) {
    return std::unexpected(Error::from_errno(errno, "watch a directory"));
  }
  return {};
}

Result<void> FanotifyGroup::add(int fd) { return mark(FAN_MARK_ADD | FAN_MARK_ONLYDIR, fd); }

Result<void> FanotifyGroup::remove(int fd) { return mark(FAN_MARK_REMOVE | FAN_MARK_ONLYDIR, fd); }

bool FanotifyGroup::has_changes() const {
  int bytes = 0;
  return ::ioctl(group_.get(), FIONREAD, &bytes) != 0 || bytes > 0;
}

// The queue holds 16,384 changes (fs.fanotify.max_queued_events) if nobody has raised that: so many
// reads empty it even if each change has a long name, also while more are coming.
Result<void> FanotifyGroup::read(const std::function<void(const Change&)>& take) {
  constexpr int kMaxReads = 100;
  for (int i = 0; i < kMaxReads; ++i) {
    const auto n = read_some(take);
    if (!n || *n == 0) {
      return n ? Result<void>() : std::unexpected(n.error());
    }
  }
  return {};
}

Result<std::size_t> FanotifyGroup::read_some(const std::function<void(const Change&)>& take) {
  alignas(fanotify_event_metadata) std::array<std::byte, 65536> buffer;
  const ssize_t n = mmapdir::retry_interrupted(
      [&] { return ::read(group_.get(), buffer.data(), buffer.size()); });
  if (n < 0 && errno != EAGAIN) {
    return std::unexpected(Error::from_errno(errno, "read what has changed on the source"));
  }
  const auto length = static_cast<std::size_t>(std::max<ssize_t>(n, 0));
  auto left = std::span<const std::byte>(buffer).first(length);
  while (left.size() >= sizeof(fanotify_event_metadata)) {
    const auto event_length = load<fanotify_event_metadata>(left).event_len;
    take(change_of(left.first(event_length)));
    left = left.subspan(event_length);
  }
  return length;
}

}  // namespace mmapdirfs
