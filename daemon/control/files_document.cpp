// SPDX-License-Identifier: MIT
#include "control/files_document.h"

#include <cstdint>
#include <unordered_map>

#include "control/json_line.h"
#include "mmapdir/residency.h"
#include "read_path_choice.h"

namespace mmapdirfs {

std::string files_document(FileSystem& fs,
                           const std::unordered_map<SourceIdentity, std::uint64_t>& pinned) {
  std::string text;
  for (const auto& file : fs.open_files()) {
    const auto found = pinned.find(identity_of(file.attributes));
    const auto residency = mmapdir::residency_of(file.fd->get(), 1);
    text += json_line(
        {{"path", file.path ? nlohmann::ordered_json(*file.path) : nlohmann::ordered_json()},
         {"inode", file.attributes.stx_ino},
         {"size", file.attributes.stx_size},
         {"resident_bytes",
          residency ? nlohmann::ordered_json(residency->resident_bytes) : nlohmann::ordered_json()},
         {"pinned_bytes", found == pinned.end() ? 0 : found->second},
         {"opens", file.use.opens},
         {"reads", file.use.reads},
         {"read_bytes", file.use.read_bytes},
         {"read_path", name_of(file.read_path)}});
  }
  return text;
}

}  // namespace mmapdirfs
