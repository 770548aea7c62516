// SPDX-License-Identifier: MIT
#include "ctl/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <iterator>
#include <sstream>
#include <utility>

#include "ctl/printable.h"
#include "option_mistakes.h"

namespace mmapdirfs::ctl {
namespace {

namespace po = boost::program_options;

constexpr const char* kControlDirectory = ".mmapdirfs";

std::unexpected<Failure> usage_failure(const std::string& message) {
  return fail(message, kUsageStatus);
}

po::options_description visible_options(const Verb& verb) {
  po::options_description description("Options", 100, 60);
  for (const auto& option : verb.options) {
    const std::string name(option.name);
    const std::string help(option.help);
    if (option.value.empty()) {
      description.add_options()(name.c_str(), help.c_str());
    } else {
      auto* const value = po::value<std::string>()->value_name(std::string(option.value));
      description.add_options()(name.c_str(), value, help.c_str());
    }
  }
  // clang-format off
  description.add_options()
    ("control,C", po::value<std::string>()->value_name("NAME"),
     "the mount's control directory (default: .mmapdirfs)")
    ("json", "machine-readable: one JSON object a line")
    ("help,h", "print this text");
  // clang-format on
  return description;
}

std::string usage_of(const Verb& verb) {
  return fmt::format("mmapdirctl {} [options] {}", verb.name, verb.arguments);
}

std::string help_of(const Verb& verb) {
  std::ostringstream text;
  text << "Usage: " << usage_of(verb) << "\n\n" << verb.summary << "\n\n" << visible_options(verb);
  return text.str();
}

std::string help_of_all(const std::vector<Verb>& verbs) {
  std::string text = "Usage: mmapdirctl VERB [options] MOUNTPOINT [argument...]\n\nVerbs:\n";
  for (const auto& verb : verbs) {
    text += fmt::format("  {:<12} {}\n", verb.name, verb.summary);
  }
  return text +
         "\n'mmapdirctl VERB --help' tells a verb's options; all take --json and --control=NAME.\n"
         "Exit status: 0 done, 1 failed, 2 wrong usage.\n";
}

std::string names_of(const std::vector<Verb>& verbs) {
  std::vector<std::string_view> names;
  std::ranges::transform(verbs, std::back_inserter(names), &Verb::name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// The verb at the beginning of the arguments, which are shortened by it; of two words, too.
const Verb* take_verb(std::vector<std::string>& arguments, const std::vector<Verb>& verbs) {
  for (std::size_t words = std::min<std::size_t>(arguments.size(), 2); words > 0; --words) {
    const auto end = std::next(arguments.begin(), static_cast<std::ptrdiff_t>(words));
    const auto name = fmt::format("{}", fmt::join(arguments.begin(), end, " "));
    const auto found = std::ranges::find(verbs, name, &Verb::name);
    if (found != verbs.end()) {
      arguments.erase(arguments.begin(), end);
      return &*found;
    }
  }
  return nullptr;
}

po::variables_map parse(const std::vector<std::string>& arguments, const Verb& verb) {
  po::options_description all = visible_options(verb);
  all.add_options()("word", po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add("word", -1);
  namespace style = po::command_line_style;
  po::variables_map values;
  po::store(po::command_line_parser(arguments)
                .options(all)
                .positional(positional)
                .style(style::unix_style & ~style::allow_guessing)
                .run(),
            values);
  return values;
}

// The first word is the mount point, unless the verb takes none.
Outcome<Invocation> take_words(std::vector<std::string> words, const Verb& verb) {
  Invocation invocation;
  const bool takes_mount = verb.mount != MountUse::kNone;
  if (takes_mount && !words.empty()) {
    invocation.mountpoint = words.front();
    words.erase(words.begin());
  }
  const bool lacks_mount = verb.mount == MountUse::kNeeded && invocation.mountpoint.empty();
  const auto refuse = [&verb](std::string_view mistake) {
    return usage_failure(fmt::format("{}: {}; usage: {}", verb.name, mistake, usage_of(verb)));
  };
  if (lacks_mount) {
    return refuse("the mount point is missing");
  }
  if (words.size() < verb.least_words) {
    return refuse("a word is missing");
  }
  if (words.size() > verb.most_words) {
    return refuse(fmt::format("too many words, from '{}' on", printable(words[verb.most_words])));
  }
  invocation.words = std::move(words);
  return invocation;
}

Outcome<CommandLine> to_request(const po::variables_map& values, const Verb& verb) {
  if (values.contains("help")) {
    return help_of(verb);
  }
  auto invocation =
      take_words(values.contains("word") ? values["word"].as<std::vector<std::string>>()
                                         : std::vector<std::string>(),
                 verb);
  if (!invocation) {
    return std::unexpected(invocation.error());
  }
  invocation->json = values.contains("json");
  invocation->control_directory =
      values.contains("control") ? values["control"].as<std::string>() : kControlDirectory;
  for (const auto& option : verb.options) {
    const std::string name(option.name);
    if (values.contains(name)) {
      invocation->options[name] = option.value.empty() ? "" : values[name].as<std::string>();
    }
  }
  return VerbRequest{.verb = &verb, .invocation = std::move(*invocation)};
}

}  // namespace

std::optional<std::string> Invocation::option(std::string_view name) const {
  const auto found = options.find(name);
  return found == options.end() ? std::nullopt : std::optional(found->second);
}

Outcome<CommandLine> parse_command_line(const std::vector<std::string>& arguments,
                                        const std::vector<Verb>& verbs) {
  if (arguments.empty()) {
    return usage_failure(fmt::format("a verb is missing; allowed are {}", names_of(verbs)));
  }
  if (arguments[0] == "--help" || arguments[0] == "-h") {
    return help_of_all(verbs);
  }
  auto rest = arguments;
  // As other programs have it.
  if (rest[0] == "--version" || rest[0] == "-V") {
    rest[0] = "version";
  }
  const Verb* const verb = take_verb(rest, verbs);
  if (verb == nullptr) {
    return usage_failure(fmt::format("no such verb: '{}'; allowed are {}", printable(arguments[0]),
                                     names_of(verbs)));
  }
  try {
    return to_request(parse(rest, *verb), *verb);
  } catch (const po::error& error) {
    return usage_failure(fmt::format("{}: {}; usage: {}", verb->name,
                                     printable(explain(error, visible_options(*verb))),
                                     usage_of(*verb)));
  }
}

}  // namespace mmapdirfs::ctl
