// SPDX-License-Identifier: MIT
#include "file_exerciser.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "mounted/parity_answer.h"
#include "support/files.h"

namespace mmapdir::test {
namespace {

constexpr std::size_t kRemembered = 40;

}  // namespace

std::span<const FileExerciser::Operation> FileExerciser::operations() {
  static constexpr std::array kOperations{
      Operation{.weight = 20, .carry_out = &FileExerciser::read},
      Operation{.weight = 20, .carry_out = &FileExerciser::write},
      Operation{.weight = 5, .carry_out = &FileExerciser::append},
      Operation{.weight = 3, .carry_out = &FileExerciser::truncate_by_handle},
      Operation{.weight = 1, .carry_out = &FileExerciser::truncate_by_name},
      Operation{.weight = 2, .carry_out = &FileExerciser::allocate},
      Operation{.weight = 2, .carry_out = &FileExerciser::allocate_keeping_size},
      Operation{.weight = 4, .carry_out = &FileExerciser::punch_hole},
      Operation{.weight = 2, .carry_out = &FileExerciser::zero_range},
      Operation{.weight = 2, .carry_out = &FileExerciser::zero_range_keeping_size},
      // The kernel cuts the range at the size that it remembers.
      Operation{.weight = 5, .carry_out = &FileExerciser::copy_range, .when = When::kAlone},
      Operation{.weight = 12, .carry_out = &FileExerciser::read_mapping, .when = When::kMapped},
      Operation{.weight = 12, .carry_out = &FileExerciser::write_mapping, .when = When::kMapped},
      Operation{.weight = 1, .carry_out = &FileExerciser::sync_mapping, .when = When::kMapped},
      Operation{.weight = 2, .carry_out = &FileExerciser::map_anew, .when = When::kMapped},
      Operation{.weight = 3, .carry_out = &FileExerciser::reopen},
      Operation{.weight = 1, .carry_out = &FileExerciser::sync},
      // Of the source's own changes attributes tell a second later.
      Operation{.weight = 4, .carry_out = &FileExerciser::ask_size, .when = When::kAlone},
      Operation{
          .weight = 12, .carry_out = &FileExerciser::write_on_source, .when = When::kWithSource},
      Operation{
          .weight = 3, .carry_out = &FileExerciser::truncate_on_source, .when = When::kWithSource}};
  return kOperations;
}

std::size_t FileExerciser::weight_of(const Operation& operation) const {
  switch (operation.when) {
    case When::kMapped:
      return exercise_.maps ? operation.weight : 0;
    case When::kAlone:
      return exercise_.changes_on_source ? 0 : operation.weight;
    case When::kWithSource:
      return exercise_.changes_on_source ? operation.weight : 0;
    default:
      return operation.weight;
  }
}

FileExerciser::FileExerciser(std::filesystem::path mounted, std::filesystem::path on_source,
                             std::uint64_t seed, Exercise exercise)
    : mounted_(std::move(mounted)),
      on_source_(std::move(on_source)),
      exercise_(exercise),
      random_(seed),
      source_(open_fd(on_source_, O_RDWR | O_CREAT)) {
  for (const Operation& operation : operations()) {
    total_weight_ += weight_of(operation);
  }
  handles_ = {Handle{.fd = {}, .flags = O_RDWR}, Handle{.fd = {}, .flags = O_RDWR | O_APPEND},
              Handle{.fd = {}, .flags = O_RDONLY}, Handle{.fd = {}, .flags = O_RDWR}};
  for (Handle& handle : handles_) {
    handle.fd = open_fd(mounted_, handle.flags);
  }
}

std::string FileExerciser::step() {
  std::size_t chosen = random_.below(total_weight_);
  ++steps_;
  for (const Operation& operation : operations()) {
    if (chosen < weight_of(operation)) {
      return (this->*operation.carry_out)();
    }
    chosen -= weight_of(operation);
  }
  return "no operation was chosen";
}

std::string FileExerciser::check_all() {
  mapping_ = SharedMapping();  // which writes its pages back
  buffer_ = read_file(on_source_);
  if (const auto apart = difference(buffer_, model_); !apart.empty()) {
    return "on the source: " + apart;
  }
  buffer_ = read_at(open_fd(mounted_, O_RDONLY).get(), kMaxSize + 1, 0);
  if (const auto apart = difference(buffer_, model_); !apart.empty()) {
    return "on the mount: " + apart;
  }
  return {};
}

std::string FileExerciser::history() const { return fmt::format("{}", fmt::join(history_, "\n")); }

FileExerciser::Range FileExerciser::any_range() {
  std::size_t longest = random_.one_in(2) ? 5'000 : 70'000;
  if (random_.one_in(64)) {
    longest = kMaxSize;
  }
  // Near the end something happens more often than elsewhere.
  std::size_t offset = random_.one_in(4) ? std::min(model_.size(), kMaxSize - 1)
                                         : random_.below(std::min(kMaxSize, model_.size() + 9'000));
  if (random_.one_in(4)) {
    offset = offset / 4096 * 4096;
  }
  return {.offset = offset, .length = 1 + random_.below(std::min(longest, kMaxSize - offset))};
}

FileExerciser::Range FileExerciser::range_inside() {
  Range range = any_range();
  range.offset = std::min(range.offset, model_.size());
  range.length = std::min(range.length, model_.size() - range.offset);
  return range;
}

int FileExerciser::writable() {
  const Handle& handle = any_handle();
  return ((handle.flags & O_ACCMODE) != O_RDONLY ? handle : handles_[0]).fd.get();
}

// They tell the step that wrote them and where.
std::string FileExerciser::new_bytes(std::size_t size) const {
  return pattern(size, static_cast<std::uint32_t>(steps_));
}

void FileExerciser::put(std::size_t offset, const std::string& bytes) {
  model_.resize(std::max(model_.size(), offset + bytes.size()));
  model_.replace(offset, bytes.size(), bytes);
}

void FileExerciser::note(const std::string& what) {
  history_.push_back(fmt::format("{}: {} (size before {})", steps_, what, model_.size()));
  if (history_.size() > kRemembered) {
    history_.pop_front();
  }
}

std::string FileExerciser::failed(const std::string& call) {
  return call + " failed: " + errno_name(errno);
}

}  // namespace mmapdir::test
