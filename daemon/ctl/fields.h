// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace mmapdirfs::ctl {

// Fields of what the daemon says, read so that one that is missing or of another type (an older or
// newer daemon) shows as nothing rather than ending the program.

std::string text_of(const nlohmann::json& object, const char* name);
std::uint64_t number_of(const nlohmann::json& object, const char* name);
// Nothing where the daemon says null, since it can't tell.
std::optional<std::uint64_t> known_number_of(const nlohmann::json& object, const char* name);
bool truth_of(const nlohmann::json& object, const char* name);
// An empty object or array where there is none.
nlohmann::json part_of(const nlohmann::json& object, const char* name);

// One line of JSON. Bytes that aren't UTF-8 become U+FFFD.
std::string to_line(const nlohmann::json& value);

}  // namespace mmapdirfs::ctl
