// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ctl/terminal.h"

namespace mmapdirfs::ctl {

// What a file did between two looks at `files`.
struct FileActivity {
  std::string name;  // printable
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::optional<std::uint64_t> resident_bytes;  // if the daemon can tell
  std::uint64_t reads = 0;                      // since the daemon knows it
  double reads_per_second = 0;
  double bytes_per_second = 0;
  std::string read_path;
};

// Turns counters into rates: keeps the last look. A value type.
class ActivityMeter {
 public:
  explicit ActivityMeter(Charset charset) : charset_(charset) {}

  // The rows of `files`, `seconds` after the last look (0 for the first, which has no rates);
  // busiest first.
  std::vector<FileActivity> take(const std::vector<nlohmann::json>& files, double seconds);

 private:
  struct Counters {
    std::uint64_t reads = 0;
    std::uint64_t bytes = 0;
  };

  Charset charset_;
  std::map<std::uint64_t, Counters> last_;  // by inode
};

// The picture, with the title above it, in lines that fit the terminal. `most_rows` files at most.
std::vector<std::string> top_lines(const std::string& title, const std::vector<FileActivity>& files,
                                   const Terminal& terminal, std::size_t most_rows);

}  // namespace mmapdirfs::ctl
