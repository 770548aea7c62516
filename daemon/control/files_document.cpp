// SPDX-License-Identifier: MIT
#include "control/files_document.h"

#include <cstdint>
#include <unordered_map>

#include "control/json_line.h"
#include "mmapdir/residency.h"
#include "read_path_choice.h"

namespace mmapdirfs {

namespace {

using Json = nlohmann::ordered_json;

Json resident_bytes(const FileFigures& file) {
  if (!file.fd) {
    return {};
  }
  const auto residency = mmapdir::residency_of(file.fd->get(), 1);
  return residency ? Json(residency->resident_bytes) : Json();
}

}  // namespace

std::string files_document(FileSystem& fs,
                           const std::unordered_map<SourceIdentity, std::uint64_t>& pinned) {
  std::string text;
  fs.visit_files([&](const FileFigures& file) {
    const auto found = pinned.find(file.identity);
    text += json_line({{"path", file.path ? Json(*file.path) : Json()},
                       {"inode", file.attributes.stx_ino},
                       {"size", file.attributes.stx_size},
                       {"resident_bytes", resident_bytes(file)},
                       {"pinned_bytes", found == pinned.end() ? 0 : found->second},
                       {"opens", file.use.opens},
                       {"reads", file.use.reads},
                       {"read_bytes", file.use.read_bytes},
                       {"read_path", name_of(file.read_path)}});
  });
  return text;
}

}  // namespace mmapdirfs
