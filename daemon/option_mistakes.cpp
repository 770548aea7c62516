// SPDX-License-Identifier: MIT
#include "option_mistakes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/program_options/cmdline.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <iterator>
#include <vector>

namespace mmapdirfs {
namespace {

namespace po = boost::program_options;

std::string form_of(const po::option_description& option) {
  const auto value = option.semantic();
  return value->max_tokens() == 0 ? fmt::format("--{}", option.long_name())
                                  : fmt::format("--{}={}", option.long_name(), value->name());
}

std::string names_of(const po::options_description& options) {
  std::vector<std::string> names;
  std::ranges::transform(options.options(), std::back_inserter(names), [](const auto& option) {
    return fmt::format("--{}", option->long_name());
  });
  return fmt::format("{}", fmt::join(names, ", "));
}

// With what the option is for, since that tells the values that it takes.
std::string form_and_use_of(const po::options_description& options, const std::string& name) {
  for (const auto& option : options.options()) {
    if (option->canonical_display_name(po::command_line_style::allow_long) == name ||
        option->canonical_display_name(po::command_line_style::allow_dash_for_short) == name) {
      return fmt::format("{}: {}", form_of(*option), option->description());
    }
  }
  return names_of(options);
}

}  // namespace

std::string explain(const po::error& mistake, const po::options_description& options) {
  const auto* const named = dynamic_cast<const po::error_with_option_name*>(&mistake);
  if (named == nullptr || dynamic_cast<const po::unknown_option*>(&mistake) != nullptr) {
    return fmt::format("{}; allowed are {}", mistake.what(), names_of(options));
  }
  return fmt::format("{}; allowed is {}", mistake.what(),
                     form_and_use_of(options, named->get_option_name()));
}

}  // namespace mmapdirfs
