// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <span>
#include <string>

#include "random.h"
#include "shared_mapping.h"
#include "support/unique_fd.h"

namespace mmapdir::test {

// What may happen to the file beside what is done through the mount.
struct Exercise {
  bool changes_on_source = false;  // some writes and truncations are made on the source directly
  bool maps = true;                // the file is read and written through mappings as well
};

// One file on a mount that is read and changed in every way, beside a string that is its model.
// A resource type.
class FileExerciser {
 public:
  FileExerciser(std::filesystem::path mounted, std::filesystem::path on_source, std::uint64_t seed,
                Exercise exercise);

  // Carries one operation out: empty, or what was wrong.
  std::string step();
  // Compares all of the file, on the mount and on the source.
  std::string check_all();
  // The last operations, the latest at the end.
  std::string history() const;

 private:
  static constexpr std::size_t kMaxSize = 1'200'000;  // more than one request of 1 MiB holds

  struct Handle {
    UniqueFd fd;
    int flags;
  };
  enum class When { kAlways, kMapped, kAlone, kWithSource };
  struct Operation {
    unsigned weight;
    std::string (FileExerciser::*carry_out)();
    When when = When::kAlways;
  };
  struct Range {
    std::size_t offset;
    std::size_t length;
  };

  static std::span<const Operation> operations();

  std::string read();
  std::string write();
  std::string append();
  std::string truncate_by_handle();
  std::string truncate_by_name();
  std::string allocate();
  std::string allocate_keeping_size();
  std::string punch_hole();
  std::string zero_range();
  std::string zero_range_keeping_size();
  std::string copy_range();
  std::string read_mapping();
  std::string write_mapping();
  std::string sync_mapping();
  std::string map_anew();
  std::string reopen();
  std::string sync();
  std::string ask_size();
  std::string write_on_source();
  std::string truncate_on_source();

  std::size_t weight_of(const Operation& operation) const;

  // A range that ends at kMaxSize at the latest, or where the file does.
  Range any_range();
  Range range_inside();
  const Handle& any_handle() { return random_.pick(handles_); }
  int writable();
  // Most of the time: the disk would set the pace else.
  bool skips_sync() { return !random_.one_in(10); }
  std::string new_bytes(std::size_t size) const;
  void put(std::size_t offset, const std::string& bytes);
  std::string fallocate(int mode, Range range, const char* name);
  std::string open(Handle& handle);
  void note(const std::string& what);
  static std::string failed(const std::string& call);

  const std::filesystem::path mounted_;
  const std::filesystem::path on_source_;
  const Exercise exercise_;
  Random random_;
  std::size_t total_weight_ = 0;
  std::size_t steps_ = 0;
  std::string model_;
  std::string buffer_;
  std::array<Handle, 4> handles_{};
  UniqueFd source_;
  SharedMapping mapping_;
  std::deque<std::string> history_;
};

}  // namespace mmapdir::test
