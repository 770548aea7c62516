// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string_view>

#include "mmapdir/byte_range.h"
#include "mmapdir/result.h"

namespace mmapdir {

class Mapping;

// How bytes are going to be read, so that the kernel reads ahead accordingly (madvise(2),
// posix_fadvise(2)). It changes no byte and is never a promise.
enum class Advice {
  kNormal,      // some reading ahead: the kernel's own default
  kRandom,      // none: each page is read when it is touched
  kSequential,  // more of it
  kWillNeed,    // soon: reading begins, nobody waits for it
  kDontNeed,    // not soon: a mapping lets go of the pages, a descriptor drops the clean ones
};

// "normal", "random", "sequential", "willneed", "dontneed".
std::string_view name_of(Advice advice);
std::optional<Advice> advice_of_name(std::string_view name);

// For reads through the mapping, by everyone who shares it. Good for whole pages: those that the
// range touches. The first three last as long as the mapping.
//
// Errors: EINVAL when the range reaches beyond the mapping's end; what madvise says.
Result<void> advise(const Mapping& mapping, ByteRange range, Advice advice);

// For reads by the descriptor, which must be open for reading: the first three concern all of what
// its open file description reads, whatever the range. A range that reaches beyond the file's end
// ends with it, and so does one of length 0, which means everything from its offset on.
//
// Errors: what posix_fadvise says (ESPIPE for a FIFO).
Result<void> advise_file(int fd, ByteRange range, Advice advice);

}  // namespace mmapdir
