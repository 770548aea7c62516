// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <vector>

#include "fuse/adapter.h"

namespace mmapdirfs {

// The file system's values in libfuse's form.

struct stat to_stat(const Attributes& attributes);
fuse_entry_param to_entry_param(const Entry& entry, const CachePolicy& policy);

// The answer that there is no such name, to be kept.
fuse_entry_param to_absence(const CachePolicy& policy);

// For how many seconds the kernel may keep the attributes. Not at all those of a file with a
// set-user-id or set-group-id bit: a write may take the bit away, and doesn't make the kernel ask
// for the mode again. A file with several names can be changed by one that isn't watched.
double attribute_timeout(const Attributes& attributes, const CachePolicy& policy, bool is_watched,
                         bool may_be_mapped);

// A READDIR or READDIRPLUS answer of at most `size` bytes. Borrows everything.
class DirectoryReply final : public DirectorySink {
 public:
  enum class Form { kNames, kEntries };

  DirectoryReply(fuse_req_t req, Form form, const CachePolicy& policy, std::span<char> buffer)
      : req_(req), form_(form), policy_(policy), buffer_(buffer) {}

  // Entries come with attributes where `demand` has it; else all do.
  void choose_entries(AttributeDemand::Listing demand) { demand_.emplace(demand); }

  bool wants_entry(const DirectoryEntry& name) override { return !demand_ || demand_->wants(name); }
  bool add(const DirectoryEntry& name, const Entry* entry) override;

  std::span<const char> bytes() const { return buffer_.first(used_); }

 private:
  fuse_req_t req_;
  const Form form_;
  const CachePolicy& policy_;
  std::span<char> buffer_;
  std::size_t used_ = 0;
  std::optional<AttributeDemand::Listing> demand_;
};

}  // namespace mmapdirfs
