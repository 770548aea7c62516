// SPDX-License-Identifier: MIT
#include "scale/kernel_caches.h"

#include <fcntl.h>

#include "support/files.h"
#include "support/requirements.h"

namespace mmapdir::test {

void drop_kernel_caches(std::string_view what) {
  const UniqueFd control(::open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC));
  if (!control) {
    skip("the kernel's caches can't be emptied here");
  }
  write_at(control.get(), what, 0);
}

}  // namespace mmapdir::test
