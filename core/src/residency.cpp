// SPDX-License-Identifier: MIT
#include "mmapdir/residency.h"

#include <algorithm>
#include <utility>

#include "page_math.h"
#include "resident_pages.h"

namespace mmapdir {
namespace {

// Not rounded to what isn't so: neither up to all nor down to nothing.
std::uint8_t percentage(std::uint64_t resident, std::uint64_t pages) {
  if (resident == 0 || resident >= pages) {  // a file that just grew has more than we know of
    return resident == 0 ? 0 : 100;
  }
  const double share = 100.0 * static_cast<double>(resident) / static_cast<double>(pages);
  return static_cast<std::uint8_t>(std::clamp(share, 1.0, 99.0));
}

// A cell's first page, without a product that could overflow.
std::uint64_t first_page_of(std::uint64_t cell, std::uint64_t cells, std::uint64_t pages) {
  return (pages / cells * cell) + (pages % cells * cell / cells);
}

// Puts together ranges of pages that come in order.
class Ranges {
 public:
  explicit Ranges(std::uint64_t file_size) : file_size_(file_size) {}

  void add(std::uint64_t first_page, std::uint64_t pages) {
    const auto offset = first_page * page_size();
    const auto length = std::min(pages * page_size(), file_size_ - offset);
    if (!ranges_.empty() && ranges_.back().offset + ranges_.back().length == offset) {
      ranges_.back().length += length;
    } else {
      ranges_.push_back({.offset = offset, .length = length});
    }
  }

  // `window` has a byte per page, the first of which is `first_page`.
  void add(std::uint64_t first_page, std::span<const unsigned char> window) {
    const auto is_resident = [](unsigned char page) { return (page & 1U) != 0; };
    auto at = window.begin();
    while (at != window.end()) {
      const auto begin = std::find_if(at, window.end(), is_resident);
      at = std::find_if_not(begin, window.end(), is_resident);
      if (begin != at) {
        add(first_page + static_cast<std::uint64_t>(begin - window.begin()),
            static_cast<std::uint64_t>(at - begin));
      }
    }
  }

  std::vector<ByteRange> take() { return std::move(ranges_); }

 private:
  const std::uint64_t file_size_;
  std::vector<ByteRange> ranges_;
};

}  // namespace

std::string_view name_of(ResidencySource source) {
  return source == ResidencySource::kCachestat ? "cachestat" : "mincore";
}

Result<Residency> residency_from(ResidentPages pages, std::size_t max_cells) {
  Residency residency{
      .size = pages.file_size(), .page_size = page_size(), .source = pages.source()};
  const auto all = pages_of(residency.size);
  const auto cells = std::clamp<std::uint64_t>(all, 1, std::max<std::size_t>(max_cells, 1));
  for (std::uint64_t cell = 0; cell < cells && all > 0; ++cell) {
    const auto first = first_page_of(cell, cells, all);
    const auto count = first_page_of(cell + 1, cells, all) - first;
    const auto resident = pages.count(first, count);
    if (!resident) {
      return std::unexpected(resident.error());
    }
    residency.resident_bytes += std::min(*resident, count) * page_size();
    residency.cells.push_back(percentage(*resident, count));
  }
  if (const auto tail = residency.size % page_size(); tail != 0) {
    const auto last = pages.count(all - 1, 1);
    if (!last) {
      return std::unexpected(last.error());
    }
    // The page may have come or gone since its cell was counted.
    const auto excess = *last == 0 ? 0 : page_size() - tail;
    residency.resident_bytes -= std::min(residency.resident_bytes, excess);
  }
  return residency;
}

Result<std::vector<ByteRange>> ranges_from(ResidentPages pages) {
  Ranges ranges(pages.file_size());
  const auto all = pages_of(pages.file_size());
  for (std::uint64_t first = 0; first < all; first += ResidentPages::kWindowPages) {
    const auto count = std::min(all - first, ResidentPages::kWindowPages);
    if (pages.source() == ResidencySource::kCachestat) {
      const auto resident = pages.count(first, count);
      if (!resident) {
        return std::unexpected(resident.error());
      }
      if (*resident == 0 || *resident == count) {
        if (*resident == count) {
          ranges.add(first, count);
        }
        continue;
      }
    }
    const auto window = pages.look_at(first, count);
    if (!window) {
      return std::unexpected(window.error());
    }
    ranges.add(first, *window);
  }
  return ranges.take();
}

Result<Residency> residency_of(int fd, std::size_t max_cells) {
  auto pages = ResidentPages::of(fd);
  if (!pages) {
    return std::unexpected(pages.error());
  }
  return residency_from(std::move(*pages), max_cells);
}

Result<std::vector<ByteRange>> resident_ranges(int fd) {
  auto pages = ResidentPages::of(fd);
  if (!pages) {
    return std::unexpected(pages.error());
  }
  return ranges_from(std::move(*pages));
}

}  // namespace mmapdir
