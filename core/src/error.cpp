// SPDX-License-Identifier: MIT
#include "mmapdir/result.h"

namespace mmapdir {

Error::Error(std::errc code, const char* action, std::string_view subject)
    : Error(code, action, subject, nullptr) {}

Error::Error(std::errc code, const char* action, std::string_view subject, const char* reason)
    : errnum_(static_cast<int>(code)), action_(action), reason_(reason), subject_(subject) {}

Error Error::from_errno(int errnum, const char* action, std::string_view subject) {
  return {std::errc{errnum}, action, subject};
}

std::string Error::message() const {
  std::string text = action_;
  if (!subject_.empty()) {
    text.append(" '").append(subject_).append("'");
  }
  return text.append(": ").append(reason_ != nullptr ? reason_ : code().message());
}

}  // namespace mmapdir
