// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "fuse/adapter.h"
#include "fuse/rings.h"
#include "metrics/operation_counters.h"

namespace mmapdirfs {

// What libfuse hands back with each of its calls.
struct Link {
  Adapter& adapter;
  OperationCounters& counters;
  fuse_lowlevel_ops operations;            // not counted yet
  std::unique_ptr<Rings> rings = nullptr;  // null while all requests come through /dev/fuse
  bool is_answering_init = false;
  bool maps_ids = false;  // see Negotiation
};

inline const Link& link_of(fuse_req_t req) {
  return *static_cast<const Link*>(fuse_req_userdata(req));
}

inline Adapter& adapter_of(fuse_req_t req) { return link_of(req).adapter; }

}  // namespace mmapdirfs
