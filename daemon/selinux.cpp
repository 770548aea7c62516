// SPDX-License-Identifier: MIT
#include "selinux.h"

#include <fstream>
#include <iterator>
#include <string>

namespace mmapdirfs {

bool has_selinux(std::string_view file_systems) { return file_systems.contains("\tselinuxfs\n"); }

bool machine_has_selinux() {
  std::ifstream file("/proc/filesystems");
  const std::string names(std::istreambuf_iterator<char>(file), {});
  return names.empty() || has_selinux(names);
}

}  // namespace mmapdirfs
