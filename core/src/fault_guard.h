// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace mmapdir {

// memcpy; false when reading `from` raised SIGBUS. What this does to the process's SIGBUS handler
// is told in guarded_copy.h.
bool copy_unless_bus_error(void* to, const void* from, std::size_t size);

}  // namespace mmapdir
