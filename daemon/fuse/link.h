// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "fuse/adapter.h"
#include "fuse/rings.h"

namespace mmapdirfs {

// What libfuse hands back with each of its calls.
struct Link {
  Adapter& adapter;
  std::unique_ptr<Rings> rings = nullptr;  // null while all requests come through /dev/fuse
  bool is_answering_init = false;
};

inline Adapter& adapter_of(fuse_req_t req) {
  return static_cast<Link*>(fuse_req_userdata(req))->adapter;
}

}  // namespace mmapdirfs
