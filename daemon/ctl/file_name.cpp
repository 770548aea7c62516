// SPDX-License-Identifier: MIT
#include "ctl/file_name.h"

#include <fmt/format.h>

#include "ctl/fields.h"

namespace mmapdirfs::ctl {

std::string file_name(const nlohmann::json& file, Charset charset) {
  const auto path = text_of(file, "path");
  return path.empty() ? fmt::format("(inode {})", number_of(file, "inode"))
                      : printable(path, charset);
}

}  // namespace mmapdirfs::ctl
