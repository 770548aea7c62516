// SPDX-License-Identifier: MIT
#include "mmapdir/relative_path.h"

#include <ranges>

namespace mmapdir {
namespace {

Result<void> check_component(std::string_view component, std::string_view text) {
  if (component.empty() || component == "." || component == ".." || component.contains('\0')) {
    return std::unexpected(Error(std::errc::invalid_argument, "take as a relative path", text));
  }
  if (component.size() > RelativePath::kMaxComponentBytes) {
    return std::unexpected(Error(std::errc::filename_too_long, "take as a relative path", text));
  }
  return {};
}

}  // namespace

Result<RelativePath> RelativePath::parse(std::string_view text) {
  // Splitting the empty text gives no component at all; "/a", "a/" and "a//b" give an empty one.
  for (const auto part : std::views::split(text, '/')) {
    if (auto checked = check_component(std::string_view(part), text); !checked) {
      return std::unexpected(checked.error());
    }
  }
  return RelativePath(std::string(text));
}

std::string_view RelativePath::filename() const {
  const std::string_view text = text_;
  return text.substr(text.rfind('/') + 1);  // npos + 1 is 0
}

RelativePath RelativePath::parent() const {
  const auto slash = text_.rfind('/');
  return slash == std::string::npos ? RelativePath() : RelativePath(text_.substr(0, slash));
}

RelativePath RelativePath::operator/(const RelativePath& path) const {
  if (is_root() || path.is_root()) {
    return is_root() ? path : *this;
  }
  return RelativePath(text_ + '/' + path.text_);
}

}  // namespace mmapdir
