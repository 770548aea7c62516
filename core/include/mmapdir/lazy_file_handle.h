// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "mmapdir/byte_range.h"
#include "mmapdir/file_slice.h"
#include "mmapdir/owned_bytes.h"
#include "mmapdir/result.h"

namespace mmapdir {

// An open file of known length of which nothing is mapped before the first read. For those who open
// many files and read few. Until that read it costs a descriptor; then it is a FileSlice, and the
// descriptor is given back if the file could be mapped.
//
// Which file it is was decided at opening: replacing or deleting it changes nothing here.
//
// A value type whose copies share the one FileSlice. All methods are const and may be called from
// any thread; concurrent first reads map once. Later ones take no lock.
class LazyFileHandle {
 public:
  // `materialize` is called at the first read, at most once, and destroyed after that; it must give
  // a slice of `length` bytes.
  LazyFileHandle(std::uint64_t length, std::function<FileSlice()> materialize);

  // In bytes, as it was when opened. Maps nothing.
  std::uint64_t length() const;

  // Whether a read has happened.
  bool is_materialized() const;

  // The file, materialized by this call if need be. Valid as long as this handle or a copy.
  const FileSlice& file() const;

  // As FileSlice's. A range beyond length() is refused without mapping anything.
  Result<OwnedBytes> read_range(ByteRange range) const;
  Result<void> read_at(std::uint64_t offset, std::span<std::byte> to) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mmapdir
