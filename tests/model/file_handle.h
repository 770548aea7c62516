// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>

#include <array>

namespace mmapdir::test {

// Room for a file handle of any file system, or none. A value type.
class FileHandle {
 public:
  // Ready to be filled by name_to_handle_at, or to be opened if it was filled.
  file_handle* get() { return reinterpret_cast<file_handle*>(storage_.data()); }

  void clear() {
    *get() = {};
    get()->handle_bytes = MAX_HANDLE_SZ;
  }
  bool is_clear() { return get()->handle_bytes == 0 || get()->handle_bytes == MAX_HANDLE_SZ; }

 private:
  alignas(file_handle) std::array<unsigned char, sizeof(file_handle) + MAX_HANDLE_SZ> storage_{};
};

}  // namespace mmapdir::test
