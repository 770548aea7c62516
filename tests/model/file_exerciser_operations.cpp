// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "file_exerciser.h"
#include "support/files.h"

namespace mmapdir::test {
namespace {

constexpr std::array kFlags{O_RDWR, O_RDWR, O_RDWR | O_APPEND, O_RDONLY, O_WRONLY};

bool appends(int flags) { return (flags & O_APPEND) != 0; }
bool reads(int flags) { return (flags & O_ACCMODE) != O_WRONLY; }
bool writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

}  // namespace

std::string FileExerciser::read() {
  const Handle& any = any_handle();
  const Handle& handle = reads(any.flags) ? any : handles_[0];
  const Range range = any_range();
  note(fmt::format("read {} at {}, flags {:o}", range.length, range.offset, handle.flags));
  buffer_.resize(range.length);
  const ssize_t got =
      ::pread(handle.fd.get(), buffer_.data(), range.length, static_cast<off_t>(range.offset));
  if (got < 0) {
    return failed("read");
  }
  const std::size_t start = std::min(range.offset, model_.size());
  return difference(std::string_view(buffer_).substr(0, static_cast<std::size_t>(got)),
                    std::string_view(model_).substr(start, range.length));
}

std::string FileExerciser::write() {
  const Range range = any_range();
  const Handle& any = any_handle();
  const Handle& handle = writes(any.flags) && !appends(any.flags) ? any : handles_[0];
  note(fmt::format("write {} at {}, flags {:o}", range.length, range.offset, handle.flags));
  const std::string bytes = new_bytes(range.length);
  const ssize_t done =
      ::pwrite(handle.fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(range.offset));
  if (done != static_cast<ssize_t>(bytes.size())) {
    return done < 0 ? failed("write") : fmt::format("only {} bytes were written", done);
  }
  put(range.offset, bytes);
  return {};
}

std::string FileExerciser::append() {
  const std::size_t length = std::min(any_range().length, kMaxSize - model_.size());
  note(fmt::format("append {}", length));
  const std::string bytes = new_bytes(length);
  const ssize_t done = ::write(handles_[1].fd.get(), bytes.data(), bytes.size());
  if (done != static_cast<ssize_t>(bytes.size())) {
    return done < 0 ? failed("append") : fmt::format("only {} bytes were appended", done);
  }
  put(model_.size(), bytes);
  return {};
}

std::string FileExerciser::truncate_by_handle() {
  const std::size_t size = random_.below(kMaxSize + 1);
  note(fmt::format("ftruncate to {}", size));
  if (::ftruncate(writable(), static_cast<off_t>(size)) != 0) {
    return failed("ftruncate");
  }
  model_.resize(size);
  return {};
}

std::string FileExerciser::truncate_by_name() {
  const std::size_t size = any_range().offset;
  note(fmt::format("truncate to {}", size));
  if (::truncate(mounted_.c_str(), static_cast<off_t>(size)) != 0) {
    return failed("truncate");
  }
  model_.resize(size);
  return {};
}

std::string FileExerciser::fallocate(int mode, Range range, const char* name) {
  note(fmt::format("{} {} at {}", name, range.length, range.offset));
  if (::fallocate(writable(), mode, static_cast<off_t>(range.offset),
                  static_cast<off_t>(range.length)) != 0) {
    return failed(name);
  }
  const std::size_t end = range.offset + range.length;
  if ((mode & FALLOC_FL_KEEP_SIZE) == 0) {
    model_.resize(std::max(model_.size(), end));
  }
  if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0 && range.offset < model_.size()) {
    std::fill(model_.begin() + static_cast<std::ptrdiff_t>(range.offset),
              model_.begin() + static_cast<std::ptrdiff_t>(std::min(end, model_.size())), '\0');
  }
  return {};
}

std::string FileExerciser::allocate() { return fallocate(0, any_range(), "allocate"); }

std::string FileExerciser::allocate_keeping_size() {
  return fallocate(FALLOC_FL_KEEP_SIZE, any_range(), "allocate, keeping the size,");
}

std::string FileExerciser::punch_hole() {
  return fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, any_range(), "punch a hole of");
}

std::string FileExerciser::zero_range() {
  return fallocate(FALLOC_FL_ZERO_RANGE, any_range(), "zero");
}

std::string FileExerciser::zero_range_keeping_size() {
  return fallocate(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, any_range(),
                   "zero, keeping the size,");
}

std::string FileExerciser::copy_range() {
  Range from = range_inside();
  auto to = static_cast<off_t>(any_range().offset);
  // Ranges of one file mustn't overlap, and the file is to stay within its bound.
  const auto gap = static_cast<std::size_t>(std::abs(static_cast<off_t>(from.offset) - to));
  from.length = std::min({from.length, gap, kMaxSize - static_cast<std::size_t>(to)});
  note(fmt::format("copy {} at {} to {}", from.length, from.offset, to));
  const std::string bytes = model_.substr(from.offset, from.length);
  auto at = static_cast<off_t>(from.offset);
  const auto target = static_cast<std::size_t>(to);
  std::size_t left = from.length;
  while (left > 0) {
    const ssize_t copied =
        ::copy_file_range(handles_[0].fd.get(), &at, handles_[3].fd.get(), &to, left, 0);
    if (copied <= 0) {
      return copied < 0 ? failed("copy_file_range") : fmt::format("{} bytes weren't copied", left);
    }
    left -= static_cast<std::size_t>(copied);
  }
  if (!bytes.empty()) {
    put(target, bytes);
  }
  return {};
}

std::string FileExerciser::read_mapping() {
  const Range range = range_inside();
  note(fmt::format("read {} at {} from the mapping", range.length, range.offset));
  if (!mapping_) {
    return map_anew();
  }
  return difference(std::string_view(mapping_.bytes() + range.offset, range.length),
                    std::string_view(model_).substr(range.offset, range.length));
}

std::string FileExerciser::write_mapping() {
  const Range range = range_inside();
  note(fmt::format("write {} at {} to the mapping", range.length, range.offset));
  if (!mapping_) {
    return map_anew();
  }
  const std::string bytes = new_bytes(range.length);
  std::ranges::copy(bytes, mapping_.bytes() + range.offset);
  put(range.offset, bytes);
  return {};
}

std::string FileExerciser::sync_mapping() {
  if (skips_sync() || !mapping_) {
    return {};
  }
  note("msync");
  return ::msync(mapping_.bytes(), mapping_.size(), MS_SYNC) == 0 ? std::string() : failed("msync");
}

std::string FileExerciser::map_anew() {
  note("map anew");
  // By another handle than the one before, now and then; the old mapping goes after.
  constexpr std::array<std::size_t, 3> kReadAndWrite{0, 1, 3};
  mapping_ = SharedMapping(handles_.at(random_.pick(kReadAndWrite)).fd.get(), kMaxSize,
                           PROT_READ | PROT_WRITE);
  return mapping_ ? std::string() : failed("mmap");
}

// The first handle reads and writes, the second appends, the last copies; the third is anything.
std::string FileExerciser::reopen() {
  const std::size_t which = random_.below(handles_.size());
  Handle& handle = handles_[which];
  if (which == 2) {
    handle.flags = random_.pick(kFlags);
  }
  note(fmt::format("reopen {} with flags {:o}", which, handle.flags));
  if (random_.one_in(2)) {
    handle.fd.reset();  // else it opens before it closes
  }
  handle.fd = UniqueFd(::open(mounted_.c_str(), handle.flags | O_CLOEXEC));
  return handle.fd ? std::string() : failed("open");
}

std::string FileExerciser::sync() {
  const Handle& handle = any_handle();
  const bool data_only = random_.one_in(2);
  if (skips_sync()) {
    return {};
  }
  note(data_only ? "fdatasync" : "fsync");
  return (data_only ? ::fdatasync(handle.fd.get()) : ::fsync(handle.fd.get())) == 0
             ? std::string()
             : failed("sync");
}

std::string FileExerciser::ask_size() {
  note("ask for the size");
  struct stat found{};
  const bool by_name = random_.one_in(2);
  if ((by_name ? ::stat(mounted_.c_str(), &found) : ::fstat(any_handle().fd.get(), &found)) != 0) {
    return failed("stat");
  }
  const auto size = static_cast<std::size_t>(found.st_size);
  return size == model_.size() ? std::string()
                               : fmt::format("the size is {}, not {}", size, model_.size());
}

std::string FileExerciser::write_on_source() {
  const Range range = any_range();
  note(fmt::format("write {} at {} on the source", range.length, range.offset));
  const std::string bytes = new_bytes(range.length);
  write_at(source_.get(), bytes, static_cast<off_t>(range.offset));
  put(range.offset, bytes);
  return {};
}

std::string FileExerciser::truncate_on_source() {
  const std::size_t size = random_.below(kMaxSize + 1);
  note(fmt::format("truncate to {} on the source", size));
  must(::ftruncate(source_.get(), static_cast<off_t>(size)), "ftruncate");
  model_.resize(size);
  return {};
}

}  // namespace mmapdir::test
