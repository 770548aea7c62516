// SPDX-License-Identifier: MIT
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace mmapdirfs {

// An object on a line of its own, with the newline; its members stay in their order. What isn't
// UTF-8, as a path needn't be, is shown as U+FFFD.
inline std::string json_line(const nlohmann::ordered_json& object) {
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace mmapdirfs
