// SPDX-License-Identifier: MIT
#include "ctl/fields.h"

#include <cmath>

namespace mmapdirfs::ctl {
namespace {

using Json = nlohmann::json;

const Json& find(const Json& object, const char* name) {
  static const Json nothing;
  const auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() ? *found : nothing;
}

}  // namespace

std::string text_of(const Json& object, const char* name) {
  const Json& value = find(object, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::uint64_t number_of(const Json& object, const char* name) {
  const Json& value = find(object, name);
  if (value.is_number_unsigned()) {
    return value.get<std::uint64_t>();
  }
  constexpr double kLimit = 18446744073709551616.0;  // 2 to the power of 64
  const double number = value.is_number() ? value.get<double>() : 0;
  return number > 0 && number < kLimit ? static_cast<std::uint64_t>(number) : 0;
}

std::optional<std::uint64_t> known_number_of(const Json& object, const char* name) {
  if (object.is_object() && object.contains(name) && object.at(name).is_null()) {
    return std::nullopt;
  }
  return number_of(object, name);
}

bool truth_of(const Json& object, const char* name) {
  const Json& value = find(object, name);
  return value.is_boolean() && value.get<bool>();
}

Json part_of(const Json& object, const char* name) {
  const Json& value = find(object, name);
  return value.is_structured() ? value : Json::object();
}

std::string to_line(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace mmapdirfs::ctl
