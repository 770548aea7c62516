// SPDX-License-Identifier: MIT
#include "mmapdir/warm.h"

#include <algorithm>
#include <utility>

#include "available_memory.h"
#include "beneath.h"
#include "page_math.h"
#include "page_reader.h"
#include "resident_pages.h"
#include "warmer.h"

namespace mmapdir {
namespace {

// A file that has gone since it was found has nothing to be read, which is no failure.
bool has_gone(const Error& error) { return error.errnum() == ENOENT; }

}  // namespace

std::string_view name_of(WarmStop stop) {
  switch (stop) {
    case WarmStop::kLimit:
      return "limit";
    case WarmStop::kMemory:
      return "memory";
    case WarmStop::kCancel:
      break;
  }
  return "cancel";
}

Warmer::Warmer(int root, const WarmOptions& options, const AvailableMemory& memory,
               const WarmProgressCallback& progress, const std::stop_token& stop)
    : root_(root), options_(options), memory_(memory), progress_(progress), stop_(stop) {}

WarmReport Warmer::warm(const std::vector<WarmRequest>& requests) {
  report_ = {};
  for (const auto& request : requests) {
    ++report_.files;
    for (const auto& range : request.ranges) {
      report_.asked_bytes += range.length;
    }
  }
  PageReader reader(options_, memory_, progress_, stop_, report_.asked_bytes);
  in_memory_.assign(requests.size(), 0);
  for (std::size_t i = 0; i < requests.size() && !reader.stopped_by(); ++i) {
    in_memory_[i] = read(reader, requests[i]);
  }
  for (std::size_t i = 0; i < requests.size(); ++i) {
    count_resident(requests[i], in_memory_[i]);
  }
  reader.finish(requests.empty() ? RelativePath() : requests.back().path);
  report_.read_bytes = reader.read_bytes();
  report_.stopped_by = reader.stopped_by();
  return std::move(report_);
}

std::uint64_t Warmer::read(PageReader& reader, const WarmRequest& request) {
  std::uint64_t in_memory = 0;
  const auto file = open_itself_as_file_beneath(root_, request.path);
  if (!file) {
    fail(request, file.error());
    return 0;
  }
  for (const auto& range : request.ranges) {
    const auto count = reader.read(file->fd.get(), range, request.path);
    if (!count) {
      fail(request, count.error());
      break;
    }
    in_memory += *count;
  }
  return in_memory;
}

void Warmer::count_resident(const WarmRequest& request, std::uint64_t in_memory) {
  const auto file = open_itself_as_file_beneath(root_, request.path);
  if (!file) {  // gone, or a failure that was told already
    return;
  }
  auto pages = ResidentPages::of(file->fd.get());
  std::uint64_t resident = pages ? 0 : in_memory;  // where the kernel doesn't tell
  for (const auto& range : request.ranges) {
    const auto first = range.offset / page_size();
    const auto count = pages_of(range.offset + range.length) - first;
    const auto counted = pages ? pages->count(first, count) : Result<std::uint64_t>(0);
    resident += std::min(counted.value_or(0) * page_size(), range.length);
  }
  report_.resident_bytes += resident;
  report_.dropped_bytes += in_memory - std::min(in_memory, resident);
}

void Warmer::fail(const WarmRequest& request, const Error& error) {
  if (!has_gone(error)) {
    report_.failures.push_back({.path = request.path, .error = error});
  }
}

Result<WarmReport> warm_with(int root, std::vector<PathPattern> patterns,
                             const WarmOptions& options, const AvailableMemory& memory,
                             const WarmProgressCallback& progress, const std::stop_token& stop) {
  auto found = find_files(root, std::move(patterns));
  if (!found) {
    return std::unexpected(found.error());
  }
  std::vector<WarmRequest> requests;
  for (auto& file : found->files) {
    const auto status = open_itself_as_file_beneath(root, file.path);
    if (!status) {
      if (!has_gone(status.error())) {
        found->failures.push_back({.path = file.path, .error = status.error()});
      }
      continue;
    }
    requests.push_back(
        {.path = std::move(file.path), .ranges = {{.offset = 0, .length = status->size}}});
  }
  auto report = Warmer(root, options, memory, progress, stop).warm(requests);
  report.failures.insert(report.failures.begin(), found->failures.begin(), found->failures.end());
  return report;
}

Result<WarmReport> warm(int root, std::vector<PathPattern> patterns, const WarmOptions& options,
                        const WarmProgressCallback& progress, const std::stop_token& stop) {
  return warm_with(root, std::move(patterns), options, AvailableMemory(), progress, stop);
}

}  // namespace mmapdir
