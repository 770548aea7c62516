// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "mmapdir/result.h"
#include "support/unique_fd.h"

namespace mmapdir {

// Whether a name is one that a TemporaryFile may have.
bool is_temporary_name(std::string_view name);

// A file in the making, under a name that nobody looks for. Gone again unless it was given its
// final name. A resource type.
//
// Not O_TMPFILE: linkat can't replace a file, so that one needs such a name as well, if only for
// the moment before the rename; and not every file system has it.
class TemporaryFile {
 public:
  // Makes it in `directory`, an open one. `subject` names the file that it is to become, for the
  // Errors of all methods.
  static Result<TemporaryFile> create(UniqueFd directory, mode_t mode, std::string_view subject);

  TemporaryFile(TemporaryFile&& other) noexcept;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile();

  int directory() const { return directory_.get(); }

  Result<void> set_mode(mode_t mode);
  Result<void> write(std::span<const std::byte> bytes);

  // Brings the bytes to disk and closes the file; from then on it can only be given its name.
  Result<void> finish();

  // Puts the finished file into the place of `name` in its directory, atomically.
  Result<void> replace(const char* name);

 private:
  TemporaryFile(UniqueFd directory, UniqueFd fd, std::string name, std::string_view subject)
      : directory_(std::move(directory)),
        fd_(std::move(fd)),
        name_(std::move(name)),
        subject_(subject) {}

  UniqueFd directory_;
  UniqueFd fd_;
  std::string name_;  // empty when there is nothing to remove
  std::string subject_;
};

}  // namespace mmapdir
