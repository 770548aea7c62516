// SPDX-License-Identifier: MIT
#include "mmapdir/advice.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <utility>

#include "mmapdir/advice_rules.h"
#include "mmapdir/mapping_cache.h"
#include "page_math.h"
#include "posix.h"

namespace mmapdir {
namespace {

struct Row {
  Advice advice;
  std::string_view name;
  int for_mapping;
  int for_descriptor;
};

constexpr std::array<Row, 5> kRows = {{
    {.advice = Advice::kNormal,
     .name = "normal",
     .for_mapping = MADV_NORMAL,
     .for_descriptor = POSIX_FADV_NORMAL},
    {.advice = Advice::kRandom,
     .name = "random",
     .for_mapping = MADV_RANDOM,
     .for_descriptor = POSIX_FADV_RANDOM},
    {.advice = Advice::kSequential,
     .name = "sequential",
     .for_mapping = MADV_SEQUENTIAL,
     .for_descriptor = POSIX_FADV_SEQUENTIAL},
    {.advice = Advice::kWillNeed,
     .name = "willneed",
     .for_mapping = MADV_WILLNEED,
     .for_descriptor = POSIX_FADV_WILLNEED},
    {.advice = Advice::kDontNeed,
     .name = "dontneed",
     .for_mapping = MADV_DONTNEED,
     .for_descriptor = POSIX_FADV_DONTNEED},
}};

const Row& row_of(Advice advice) { return *std::ranges::find(kRows, advice, &Row::advice); }

// What is asked to be read at once is cut off at the device's read-ahead (force_page_cache_ra in
// mm/readahead.c), 128 KiB by default: so it is asked for in pieces of that size.
constexpr std::uint64_t kReadAheadBytes = std::uint64_t{128} * 1024;

template <class Call>
Result<void> in_pieces(ByteRange range, Advice advice, Call call) {
  const std::uint64_t piece = advice == Advice::kWillNeed ? kReadAheadBytes : range.length;
  while (range.length > 0) {
    const auto length = std::min(range.length, piece);
    if (const int errnum = call(range.offset, length); errnum != 0) {
      return std::unexpected(Error::from_errno(errnum, "advise"));
    }
    range.offset += length;
    range.length -= length;
  }
  return {};
}

}  // namespace

std::string_view name_of(Advice advice) { return row_of(advice).name; }

std::optional<Advice> advice_of_name(std::string_view name) {
  const auto* const row = std::ranges::find(kRows, name, &Row::name);
  return row == kRows.end() ? std::nullopt : std::optional(row->advice);
}

Result<void> advise(const Mapping& mapping, ByteRange range, Advice advice) {
  const auto bytes = mapping.bytes();
  if (!range.fits(bytes.size())) {
    return std::unexpected(Error(std::errc::invalid_argument, "advise beyond the end"));
  }
  const int wanted = row_of(advice).for_mapping;
  return in_pieces(whole_pages(range), advice, [&](std::uint64_t offset, std::uint64_t length) {
    // madvise takes no const, and none of these writes.
    auto* const begin = const_cast<std::byte*>(bytes.data()) + offset;
    return ::madvise(begin, static_cast<std::size_t>(length), wanted) == 0 ? 0 : errno;
  });
}

Result<void> advise_file(int fd, ByteRange range, Advice advice) {
  const auto status = file_status(fd);
  if (!status) {
    return std::unexpected(status.error());
  }
  const auto size = static_cast<std::uint64_t>(status->st_size);
  const auto rest = size - std::min(size, range.offset);
  const bool is_everything = range.length == 0 || range.length > rest;
  const ByteRange within{.offset = range.offset, .length = is_everything ? rest : range.length};
  const int wanted = row_of(advice).for_descriptor;
  if (within.length == 0) {  // an empty file, which may grow: the description's advice stays
    const int errnum = ::posix_fadvise(fd, 0, 0, wanted);
    return errnum == 0 ? Result<void>{} : std::unexpected(Error::from_errno(errnum, "advise"));
  }
  return in_pieces(within, advice, [&](std::uint64_t offset, std::uint64_t length) {
    return ::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(length), wanted);
  });
}

Advice advice_for(std::span<const AdviceRule> rules, std::string_view path) {
  const auto last_first = std::views::reverse(rules);
  const auto found = std::ranges::find_if(
      last_first, [&](const AdviceRule& rule) { return rule.pattern.matches(path); });
  return found == last_first.end() ? Advice::kNormal : found->advice;
}

}  // namespace mmapdir
