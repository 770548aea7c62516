// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "fuse/adapter.h"

namespace mmapdirfs {

template <class T>
void Adapter::wait_for_lease(fuse_req_t req, std::function<Result<T>()> call,
                             std::function<void(const Result<T>&)> reply) {
  const auto answer = std::make_shared<std::optional<Result<T>>>();
  wait_for_lease(
      req,
      [answer, call = std::move(call)]() -> Result<void> {
        answer->emplace(call());
        return answer->value() ? Result<void>() : std::unexpected(answer->value().error());
      },
      [answer, reply = std::move(reply)](const Result<void>& waited) {
        reply(waited ? answer->value() : std::unexpected(waited.error()));
      });
}

}  // namespace mmapdirfs
