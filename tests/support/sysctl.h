// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <fstream>

#include "support/requirements.h"

namespace mmapdir::test {

// A limit of the whole machine's ("fs/lease-break-time"), changed for as long as the object lives.
// A resource type.
class Sysctl {
 public:
  Sysctl(const char* name, unsigned value) : path_(std::filesystem::path("/proc/sys") / name) {
    require_root();
    std::ifstream(path_) >> former_;
    std::ofstream out(path_);
    out << value << std::flush;
    if (former_ == 0 || !out) {
      skip(path_.string() + " can't be changed");
    }
  }
  ~Sysctl() { std::ofstream(path_) << former_ << std::flush; }
  Sysctl(const Sysctl&) = delete;
  Sysctl& operator=(const Sysctl&) = delete;

 private:
  std::filesystem::path path_;
  unsigned former_ = 0;
};

}  // namespace mmapdir::test
