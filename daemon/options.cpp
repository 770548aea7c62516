// SPDX-License-Identifier: MIT
#include "options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <boost/program_options.hpp>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "mmapdir/path_pattern.h"
#include "mmapdir/relative_path.h"
#include "mount_options.h"
#include "option_mistakes.h"
#include "read_path_choice.h"
#include "version.h"

namespace mmapdirfs {
namespace {

namespace po = boost::program_options;

constexpr unsigned kMaxThreads = 256;
constexpr unsigned kMaxMappings = 1U << 30U;
constexpr unsigned kMaxReadAheadKib = 65536;
constexpr unsigned kMaxSeconds = 1U << 30U;

constexpr std::array<std::pair<std::string_view, std::optional<ReadPath>>, 4> kReadPaths = {{
    {"auto", std::nullopt},
    {"passthrough", ReadPath::kPassthrough},
    {"mapped", ReadPath::kMapped},
    {"plain", ReadPath::kPlain},
}};
constexpr std::array<std::pair<std::string_view, const char*>, 4> kLogLevels = {{
    {"error", "error"},
    {"warn", "warning"},
    {"info", "info"},
    {"debug", "debug"},
}};

constexpr std::array<std::pair<std::string_view, bool>, 2> kSwitch = {{
    {"off", false},
    {"on", true},
}};

// The long options that an `-o` list may hold as well.
constexpr std::array<std::string_view, 15> kDaemonOptions = {
    "read-path", "cache",          "attr-timeout", "entry-timeout",    "threads",
    "io-uring",  "idmap",          "max-mappings", "read-ahead",       "log-level",
    "control",   "metrics-listen", "hot-set",      "hot-set-interval", "advice"};

// Leaves parse_command_line as a UsageError; Boost's own exceptions go the same way.
struct UsageException {
  std::string message;
};

template <class Table>
auto choose(const Table& table, const char* option, const std::string& value) {
  const auto found = std::ranges::find(table, value, [](const auto& row) { return row.first; });
  if (found == table.end()) {
    std::vector<std::string_view> names;
    std::ranges::transform(table, std::back_inserter(names),
                           [](const auto& row) { return row.first; });
    throw UsageException{
        fmt::format("--{}={}: allowed are {}", option, value, fmt::join(names, ", "))};
  }
  return found->second;
}

unsigned number(const char* option, const std::string& text, unsigned least, unsigned most) {
  unsigned value = 0;
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end || value < least || value > most) {
    throw UsageException{
        fmt::format("--{}={}: allowed is a whole number from {} to {}", option, text, least, most)};
  }
  return value;
}

// Nothing: off.
std::optional<std::string> control_name(const std::string& value) {
  if (value == "off") {
    return std::nullopt;
  }
  const auto path = mmapdir::RelativePath::parse(value);
  if (!path || path->is_root() || value.contains('/')) {
    throw UsageException{fmt::format(
        "--control={}: allowed are off and a name that a directory can have: of at most {} bytes, "
        "without '/', and not '.' or '..'",
        value, mmapdir::RelativePath::kMaxComponentBytes)};
  }
  return value;
}

ListenAddress listen_address(const std::string& value) {
  const auto address = ListenAddress::parse(value);
  if (!address) {
    throw UsageException{fmt::format(
        "--metrics-listen={}: allowed is [ADDRESS:]PORT with an address in numbers, as 9100 (which "
        "is 127.0.0.1:9100), 0.0.0.0:9100 or [::1]:9100",
        value)};
  }
  return *address;
}

AdviceRule advice_rule(const std::string& value) {
  constexpr const char* kAllowed =
      "allowed is PATTERN=normal, PATTERN=random or PATTERN=sequential, as '*.idx=random'";
  const auto equals = value.rfind('=');
  const auto advice =
      mmapdir::advice_of_name(equals == std::string::npos ? "" : value.substr(equals + 1));
  if (!advice || *advice > mmapdir::Advice::kSequential) {
    throw UsageException{fmt::format("--advice={}: {}", value, kAllowed)};
  }
  auto pattern = mmapdir::PathPattern::compile(std::string_view(value).substr(0, equals));
  if (!pattern) {
    throw UsageException{
        fmt::format("--advice={}: {}; {}", value, pattern.error().message(), kAllowed)};
  }
  return {.pattern = std::move(*pattern), .advice = *advice};
}

po::options_description visible_options() {
  po::options_description description("Options", 100, 60);
  // clang-format off
  description.add_options()
    ("foreground,f", "stay in front; log to stderr")
    ("option,o", po::value<std::string>()->value_name("OPT[,OPT...]"),
     "mount options, as in fstab: ro, allow_other, fsname=NAME, ... and the options below "
     "without their dashes (see mmapdirfs(1))")
    ("read-path", po::value<std::string>()->value_name("PATH"),
     "auto (default), passthrough, mapped or plain")
    ("cache", po::value<std::string>()->value_name("MODE"),
     "what the kernel keeps. auto (default): all, until the source is seen to change; "
     "never: nothing, so that memory holds each page once; "
     "always: all; right only where nobody else writes the source")
    ("attr-timeout", po::value<std::string>()->value_name("SECONDS"),
     "keep attributes for so long at most (default: what --cache says)")
    ("entry-timeout", po::value<std::string>()->value_name("SECONDS"),
     "keep names, and that there is no such name, for so long at most")
    ("threads", po::value<std::string>()->value_name("N"),
     "threads that serve requests, at most: 1 to 256 (default 16)")
    ("io-uring", po::value<std::string>()->value_name("USE"),
     "whether requests come over io_uring: off (default), auto (where the kernel allows it) or on")
    ("idmap", po::value<std::string>()->value_name("USE"),
     "whether the mount may be idmapped, as for containers with user namespaces: off (default) or "
     "on (Linux 6.12; root only)")
    ("max-mappings", po::value<std::string>()->value_name("N"),
     "files mapped at once, at most (default: half of vm.max_map_count)")
    ("read-ahead", po::value<std::string>()->value_name("KIB"),
     "how far the kernel reads ahead on the mount: 4 to 65536 (default: the kernel's own, 128)")
    ("log-level", po::value<std::string>()->value_name("LEVEL"),
     "error, warn, info (default) or debug")
    ("control", po::value<std::string>()->value_name("NAME"),
     "name of the directory in the mount's root that shows how the mount does, or off "
     "(default .mmapdirfs)")
    ("metrics-listen", po::value<std::string>()->value_name("[ADDRESS:]PORT"),
     "serve the metrics over HTTP there, for Prometheus; on this machine only where no address is "
     "given (default: nowhere)")
    ("hot-set", po::value<std::string>()->value_name("FILE"),
     "bring back into memory what FILE says was there, and save that from time to time and at the "
     "end")
    ("hot-set-interval", po::value<std::string>()->value_name("SECONDS"),
     "how often the hot set is saved (default 300)")
    ("advice", po::value<std::vector<std::string>>()->composing()->value_name("PATTERN=ADVICE"),
     "how files that match will be read: normal, random or sequential; may be given repeatedly")
    ("help,h", "print this text")
    ("version,V", "print the version");
  // clang-format on
  return description;
}

std::string help_text() {
  std::ostringstream text;
  text << "Usage: mmapdirfs [options] SOURCE MOUNTPOINT\n\n"
          "Mounts the directory SOURCE on MOUNTPOINT, read through a shared cache of memory\n"
          "mappings and written through ordinary file I/O.\n\n"
       << visible_options() << "\nTo unmount: umount MOUNTPOINT, or fusermount3 -u MOUNTPOINT\n";
  return text.str();
}

bool is_daemon_option(std::string_view option) {
  return std::ranges::find(kDaemonOptions, option.substr(0, option.find('='))) !=
         kDaemonOptions.end();
}

// Turns an `-o` list into arguments of their own, so that an option means, and is checked, the
// same wherever it stands.
void expand_list(std::string_view list, std::vector<std::string>& arguments) {
  for (const auto& option : split_mount_options(list)) {
    if (!is_daemon_option(option)) {
      arguments.push_back("--mount-option=" + option);
    } else {
      // Without a value it must not take the next argument for one.
      arguments.push_back("--" + option + (option.contains('=') ? "" : "="));
    }
  }
}

// Where `-o` begins in an argument of short options ("-fo"); the others take no value.
std::optional<std::size_t> find_option_list(std::string_view argument) {
  const auto found = argument.find('o');
  const bool is_short = argument.starts_with('-') && !argument.starts_with("--");
  return is_short && found != std::string_view::npos ? std::optional(found) : std::nullopt;
}

std::vector<std::string> expand(const std::vector<std::string>& arguments) {
  std::vector<std::string> expanded;
  for (auto it = arguments.begin(); it != arguments.end(); ++it) {
    if (*it == "--") {
      expanded.insert(expanded.end(), it, arguments.end());
      break;
    }
    const auto list = find_option_list(*it);
    if (list && *list > 1) {
      expanded.push_back(it->substr(0, *list));
    }
    if (*it == "--option" || (list && *list + 1 == it->size())) {
      if (++it == arguments.end()) {
        throw UsageException{fmt::format(
            "{}: a list of mount options is missing; allowed is OPT[,OPT...], as -o ro,allow_other",
            *std::prev(it))};
      }
      expand_list(*it, expanded);
    } else if (list) {
      expand_list(std::string_view(*it).substr(*list + 1), expanded);
    } else if (it->starts_with("--option=")) {
      expand_list(std::string_view(*it).substr(9), expanded);
    } else {
      expanded.push_back(*it);
    }
  }
  return expanded;
}

po::variables_map parse(const std::vector<std::string>& arguments) {
  po::options_description all = visible_options();
  all.add_options()("mount-option", po::value<std::vector<std::string>>()->composing())(
      "path", po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add("path", -1);
  namespace style = po::command_line_style;
  po::variables_map values;
  po::store(po::command_line_parser(expand(arguments))
                .options(all)
                .positional(positional)
                .style(style::unix_style & ~style::allow_guessing)
                .run(),
            values);
  return values;
}

void take_paths(const po::variables_map& values, Options& options) {
  std::vector<std::string> paths;
  if (values.contains("path")) {
    paths = values["path"].as<std::vector<std::string>>();
  }
  if (paths.empty()) {
    throw UsageException{"no directory is given; allowed are two, SOURCE and MOUNTPOINT"};
  }
  if (paths.size() != 2) {
    throw UsageException{
        fmt::format("{} path(s) given, '{}'; allowed are two, SOURCE and MOUNTPOINT", paths.size(),
                    fmt::join(paths, "', '"))};
  }
  options.source = paths[0];
  options.mountpoint = paths[1];
}

void take_mount_options(const po::variables_map& values, Options& options) {
  if (!values.contains("mount-option")) {
    return;
  }
  const auto& given = values["mount-option"].as<std::vector<std::string>>();
  for (const auto& option : given) {
    switch (kind_of_mount_option(option)) {
      case MountOptionKind::kUnknown:
        throw UsageException{
            fmt::format("-o {}: no such mount option; allowed are {} (with a value where a '=' "
                        "stands, and without one elsewhere), and mmapdirfs's own {}",
                        option, known_mount_options(), fmt::join(kDaemonOptions, ", "))};
      case MountOptionKind::kPassed:
        options.mount_options.push_back(option);
        break;
      case MountOptionKind::kIgnored:
        break;
    }
  }
  if (std::ranges::find(given, "rw") != given.end() && options.has_mount_option("ro")) {
    throw UsageException{"-o ro contradicts -o rw: allowed is one of them"};
  }
}

// Absolute, since the daemon leaves the working directory.
std::filesystem::path hot_set_file(const std::string& value) {
  std::error_code error;
  auto file = std::filesystem::absolute(value, error);
  if (error || value.ends_with('/')) {
    throw UsageException{fmt::format(
        "--hot-set={}: no file has such a name; allowed is a file's path, which isn't empty and "
        "doesn't end with '/'",
        value)};
  }
  return file;
}

void take_advice(const po::variables_map& values, Options& options) {
  if (!values.contains("advice")) {
    return;
  }
  options.advice = values["advice"].as<std::vector<std::string>>();
  for (const auto& value : options.advice) {
    options.advice_rules.push_back(advice_rule(value));
  }
}

Options to_options(const po::variables_map& values) {
  Options options;
  const auto with = [&values](const char* name, auto take) {
    if (values.contains(name)) {
      take(values[name].as<std::string>());
    }
  };
  take_paths(values, options);
  take_mount_options(values, options);
  options.foreground = values.contains("foreground");
  with("read-path", [&](auto& v) { options.read_path = choose(kReadPaths, "read-path", v); });
  with("cache", [&](auto& v) { options.cache.mode = choose(kCacheModes, "cache", v); });
  with("io-uring", [&](auto& v) { options.io_uring = choose(kIoUringUses, "io-uring", v); });
  with("idmap", [&](auto& v) { options.idmap = choose(kSwitch, "idmap", v); });
  with("log-level", [&](auto& v) { options.log_level = choose(kLogLevels, "log-level", v); });
  with("control", [&](auto& v) { options.control = control_name(v); });
  with("metrics-listen", [&](auto& v) { options.metrics_listen = listen_address(v); });
  with("hot-set", [&](auto& v) { options.hot_set = hot_set_file(v); });
  with("hot-set-interval", [&](auto& v) {
    options.hot_set_interval = std::chrono::seconds(number("hot-set-interval", v, 1, kMaxSeconds));
  });
  take_advice(values, options);
  with("threads", [&](auto& v) { options.threads = number("threads", v, 1, kMaxThreads); });
  with("max-mappings",
       [&](auto& v) { options.max_mappings = number("max-mappings", v, 1, kMaxMappings); });
  with("read-ahead",
       [&](auto& v) { options.read_ahead_kib = number("read-ahead", v, 4, kMaxReadAheadKib); });
  const auto seconds = [](const char* name, const std::string& value) {
    return std::chrono::seconds(number(name, value, 0, kMaxSeconds));
  };
  with("attr-timeout",
       [&](auto& v) { options.cache.attribute_timeout = seconds("attr-timeout", v); });
  with("entry-timeout",
       [&](auto& v) { options.cache.entry_timeout = seconds("entry-timeout", v); });
  if (options.cache.mode == CacheMode::kNever &&
      (options.cache.attribute_timeout || options.cache.entry_timeout)) {
    throw UsageException{
        "--cache=never contradicts --attr-timeout and --entry-timeout: they are allowed with "
        "--cache=auto and --cache=always"};
  }
  if (options.read_path && *options.read_path != ReadPath::kMapped && options.max_mappings) {
    throw UsageException{fmt::format(
        "--max-mappings contradicts --read-path={}, which maps nothing: it is allowed with "
        "--read-path=auto and --read-path=mapped",
        name_of(*options.read_path))};
  }
  if (options.read_path == ReadPath::kPassthrough && options.read_ahead_kib) {
    throw UsageException{
        "--read-ahead contradicts --read-path=passthrough, where the kernel reads ahead as on the "
        "source: it is allowed with --read-path=auto, mapped and plain"};
  }
  return options;
}

}  // namespace

bool Options::has_mount_option(std::string_view name) const {
  return std::ranges::find(mount_options, name) != mount_options.end();
}

std::expected<CommandLine, UsageError> parse_command_line(
    const std::vector<std::string>& arguments) {
  try {
    const auto values = parse(arguments);
    if (values.contains("help")) {
      return TextRequest{help_text()};
    }
    if (values.contains("version")) {
      return TextRequest{version_text()};
    }
    return to_options(values);
  } catch (const UsageException& error) {
    return std::unexpected(UsageError{error.message});
  } catch (const po::error& error) {
    return std::unexpected(UsageError{explain(error, visible_options())});
  }
}

}  // namespace mmapdirfs
