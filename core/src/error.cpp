// SPDX-License-Identifier: MIT
#include "mmapdir/result.h"

namespace mmapdir {

Error::Error(std::errc code, const char* action, std::string_view subject)
    : errnum_(static_cast<int>(code)), action_(action), subject_(subject) {}

Error Error::from_errno(int errnum, const char* action, std::string_view subject) {
  return {std::errc{errnum}, action, subject};
}

std::string Error::message() const {
  std::string text = action_;
  if (!subject_.empty()) {
    text.append(" '").append(subject_).append("'");
  }
  return text.append(": ").append(code().message());
}

}  // namespace mmapdir
