// SPDX-License-Identifier: MIT
#include "file_exerciser.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "mounted/parity_answer.h"
#include "support/files.h"

namespace mmapdir::test {
namespace {

constexpr std::size_t kRemembered = 40;

}  // namespace

const std::array<FileExerciser::Operation, 20> FileExerciser::kOperations{{
    {20, &FileExerciser::read, &FileExerciser::always},
    {20, &FileExerciser::write, &FileExerciser::always},
    {5, &FileExerciser::append, &FileExerciser::always},
    {3, &FileExerciser::truncate_by_handle, &FileExerciser::always},
    {1, &FileExerciser::truncate_by_name, &FileExerciser::always},
    {2, &FileExerciser::allocate, &FileExerciser::always},
    {2, &FileExerciser::allocate_keeping_size, &FileExerciser::always},
    {4, &FileExerciser::punch_hole, &FileExerciser::always},
    {2, &FileExerciser::zero_range, &FileExerciser::always},
    {2, &FileExerciser::zero_range_keeping_size, &FileExerciser::always},
    // The kernel cuts the range at the size that it remembers.
    {5, &FileExerciser::copy_range, &FileExerciser::is_alone},
    {12, &FileExerciser::read_mapping, &FileExerciser::maps},
    {12, &FileExerciser::write_mapping, &FileExerciser::maps},
    {1, &FileExerciser::sync_mapping, &FileExerciser::maps},
    {2, &FileExerciser::map_anew, &FileExerciser::maps},
    {3, &FileExerciser::reopen, &FileExerciser::always},
    {1, &FileExerciser::sync, &FileExerciser::always},
    // Of the source's own changes attributes tell a second later.
    {4, &FileExerciser::ask_size, &FileExerciser::is_alone},
    {12, &FileExerciser::write_on_source, &FileExerciser::changes_on_source},
    {3, &FileExerciser::truncate_on_source, &FileExerciser::changes_on_source},
}};

FileExerciser::FileExerciser(const std::filesystem::path& mounted,
                             const std::filesystem::path& on_source, std::uint64_t seed,
                             Exercise exercise)
    : mounted_(mounted),
      on_source_(on_source),
      exercise_(exercise),
      random_(seed),
      source_(open_fd(on_source, O_RDWR | O_CREAT)) {
  for (const Operation& operation : kOperations) {
    total_weight_ += (this->*operation.is_wanted)() ? operation.weight : 0;
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
  for (const Operation& operation : kOperations) {
    const std::size_t weight = (this->*operation.is_wanted)() ? operation.weight : 0;
    if (chosen < weight) {
      return (this->*operation.carry_out)();
    }
    chosen -= weight;
  }
  return "no operation was chosen";
}

std::string FileExerciser::check_all() {
  if (mapping_ && ::msync(mapping_.bytes(), mapping_.size(), MS_SYNC) != 0) {
    return failed("msync");
  }
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
  const std::size_t longest = random_.one_in(64) ? kMaxSize : random_.one_in(2) ? 5'000 : 70'000;
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
std::string FileExerciser::new_bytes(std::size_t size) {
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

std::string FileExerciser::failed(const std::string& call) const {
  return call + " failed: " + errno_name(errno);
}

}  // namespace mmapdir::test
