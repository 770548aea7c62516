// SPDX-License-Identifier: MIT
#include "mmapdir/lazy_file_handle.h"

#include <atomic>
#include <mutex>
#include <utility>

namespace mmapdir {

struct LazyFileHandle::State {
  State(std::uint64_t length_in_bytes, std::function<FileSlice()> on_first_read)
      : length(length_in_bytes), materialize(std::move(on_first_read)) {}

  const std::uint64_t length;

  std::mutex materializing;
  std::function<FileSlice()> materialize;  // guarded by materializing; empty once called

  FileSlice file;  // written once, before `materialized` says so
  std::atomic<bool> materialized = false;
};

LazyFileHandle::LazyFileHandle(std::uint64_t length, std::function<FileSlice()> materialize)
    : state_(std::make_shared<State>(length, std::move(materialize))) {}

std::uint64_t LazyFileHandle::length() const { return state_->length; }

bool LazyFileHandle::is_materialized() const {
  return state_->materialized.load(std::memory_order_acquire);
}

const FileSlice& LazyFileHandle::file() const {
  if (!is_materialized()) {
    const std::scoped_lock lock(state_->materializing);
    if (state_->materialize) {
      state_->file = std::exchange(state_->materialize, nullptr)();
      state_->materialized.store(true, std::memory_order_release);
    }
  }
  return state_->file;
}

Result<OwnedBytes> LazyFileHandle::read_range(ByteRange range) const {
  if (!range.fits(length())) {
    return std::unexpected(Error(std::errc::invalid_argument, "read beyond the end"));
  }
  return file().read_range(range);
}

Result<void> LazyFileHandle::read_at(std::uint64_t offset, std::span<std::byte> to) const {
  if (!ByteRange{.offset = offset, .length = to.size()}.fits(length())) {
    return std::unexpected(Error(std::errc::invalid_argument, "read beyond the end"));
  }
  return file().read_at(offset, to);
}

}  // namespace mmapdir
