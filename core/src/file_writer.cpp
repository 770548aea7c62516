// SPDX-License-Identifier: MIT
#include "mmapdir/file_writer.h"

#include <utility>

#include "mmapdir/guarded_copy.h"

namespace mmapdir {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{64} << 10U;  // file_writer.h tells users

}  // namespace

FileWriter::FileWriter(const RelativePath& path, std::unique_ptr<FileSink> sink)
    : name_(path.string()), sink_(std::move(sink)) {}

Result<void> FileWriter::append(std::span<const std::byte> bytes) {
  if (const auto usable = check_usable(); !usable) {
    return usable;
  }
  if (bytes.size() > kBufferBytes - buffer_.size()) {
    if (auto flushed = give_up_if_failed(flush()); !flushed) {
      return flushed;
    }
  }
  return give_up_if_failed(bytes.size() < kBufferBytes ? gather(bytes) : sink_->write(bytes));
}

Result<void> FileWriter::commit() {
  if (const auto usable = check_usable(); !usable) {
    return usable;
  }
  if (auto flushed = give_up_if_failed(flush()); !flushed) {
    return flushed;
  }
  auto committed = give_up_if_failed(sink_->commit());
  sink_.reset();
  return committed;
}

Result<void> FileWriter::check_usable() const {
  if (failure_) {
    return std::unexpected(*failure_);
  }
  if (!sink_) {
    return std::unexpected(Error(std::errc::bad_file_descriptor, "use spent writer of", name_));
  }
  return {};
}

Result<void> FileWriter::gather(std::span<const std::byte> bytes) {
  buffer_.reserve(kBufferBytes);
  const auto filled = buffer_.size();
  buffer_.resize(filled + bytes.size());
  if (!guarded_copy(std::span(buffer_).subspan(filled), bytes)) {
    // What write(2) says of bytes that can't be read, so that it doesn't depend on their number.
    return std::unexpected(Error(std::errc::bad_address, "write", name_));
  }
  return {};
}

Result<void> FileWriter::flush() {
  auto written = sink_->write(buffer_);
  buffer_.clear();
  return written;
}

Result<void> FileWriter::give_up_if_failed(Result<void> result) {
  if (!result) {
    sink_.reset();
    failure_ = result.error();
  }
  return result;
}

}  // namespace mmapdir
