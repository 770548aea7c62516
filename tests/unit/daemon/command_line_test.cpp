// SPDX-License-Identifier: MIT
// The command line and its messages, which say what was wrong and what is allowed.

#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <variant>
#include <vector>

#include "options.h"
#include "unit/daemon/fixture.h"
#include "version.h"

namespace mmapdirfs {

// The program's own tells libfuse's version, which these tests do without.
std::string version_text() { return "mmapdirfs of the tests\n"; }

}  // namespace mmapdirfs

namespace mmapdirfs::test {
namespace {

using Arguments = std::vector<std::string>;

Options options_of(const Arguments& arguments) {
  const auto parsed = parse_command_line(arguments);
  INFO((parsed ? "" : parsed.error().message));
  REQUIRE(parsed);
  REQUIRE(std::holds_alternative<Options>(*parsed));
  return std::get<Options>(*parsed);
}

std::string text_of(const Arguments& arguments) {
  const auto parsed = parse_command_line(arguments);
  REQUIRE(parsed);
  REQUIRE(std::holds_alternative<TextRequest>(*parsed));
  return std::get<TextRequest>(*parsed).text;
}

// Parses the arguments with two paths behind them.
Options parse(Arguments arguments) {
  arguments.insert(arguments.end(), {"/source", "/mountpoint"});
  const Options options = options_of(arguments);
  CHECK(options.source == "/source");
  CHECK(options.mountpoint == "/mountpoint");
  return options;
}

std::string refusal_of_all(const Arguments& arguments) {
  const auto parsed = parse_command_line(arguments);
  return parsed ? std::string() : parsed.error().message;
}

std::string refusal(Arguments arguments) {
  arguments.insert(arguments.end(), {"/source", "/mountpoint"});
  return refusal_of_all(arguments);
}

void check_says(const std::string& message, const std::vector<std::string>& parts) {
  INFO("message: " << message);
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK(message.contains(part));
  }
}

TEST_CASE("Two paths alone mean the defaults", "[command-line]") {
  const Options options = parse({});
  const Options defaults;
  CHECK(options.foreground == defaults.foreground);
  CHECK_FALSE(options.read_path);
  CHECK(options.cache.mode == CacheMode::kAuto);
  CHECK(options.threads == 16);
  CHECK_FALSE(options.max_mappings);
  CHECK(options.log_level == "info");
  CHECK(options.mount_options.empty());
}

TEST_CASE("Each option is taken, with its value beside it or behind it", "[command-line]") {
  CHECK(parse({"-f"}).foreground);
  CHECK(parse({"--foreground"}).foreground);
  CHECK_FALSE(parse({"--read-path=auto"}).read_path);
  CHECK(parse({"--read-path=passthrough"}).read_path == ReadPath::kPassthrough);
  CHECK(parse({"--read-path", "mapped"}).read_path == ReadPath::kMapped);
  CHECK(parse({"--read-path=plain"}).read_path == ReadPath::kPlain);
  CHECK(parse({"--cache=auto"}).cache.mode == CacheMode::kAuto);
  CHECK(parse({"--cache", "never"}).cache.mode == CacheMode::kNever);
  CHECK(parse({"--cache=always"}).cache.mode == CacheMode::kAlways);
  CHECK(parse({"--attr-timeout=7"}).cache.attribute_timeout == std::chrono::seconds(7));
  CHECK(parse({"-o", "entry-timeout=0"}).cache.entry_timeout == std::chrono::seconds(0));
  CHECK(parse({"--threads=1"}).threads == 1);
  CHECK(parse({"--threads", "256"}).threads == 256);
  CHECK(parse({"--max-mappings=1"}).max_mappings == 1U);
  CHECK(parse({"--max-mappings=1073741824"}).max_mappings == 1073741824U);
  CHECK_FALSE(parse({}).read_ahead_kib);
  CHECK(parse({"--read-ahead=4"}).read_ahead_kib == 4U);
  CHECK(parse({"-oread-ahead=65536"}).read_ahead_kib == 65536U);
  CHECK(parse({}).io_uring == IoUringUse::kOff);
  CHECK(parse({"--io-uring=auto"}).io_uring == IoUringUse::kAuto);
  CHECK(parse({"--io-uring=on"}).io_uring == IoUringUse::kOn);
  CHECK(parse({"-oio-uring=off"}).io_uring == IoUringUse::kOff);
  CHECK_FALSE(parse({}).idmap);
  CHECK(parse({"--idmap=on"}).idmap);
  CHECK_FALSE(parse({"-oidmap=off"}).idmap);
  CHECK(parse({"--log-level=warn"}).log_level == "warning");
  CHECK(parse({"--log-level=error"}).log_level == "error");
  CHECK(parse({"--log-level=debug"}).log_level == "debug");
}

TEST_CASE("Options may stand behind and between the paths", "[command-line]") {
  const Options options = options_of({"/a", "-f", "/b", "--threads=3"});
  CHECK(options.source == "/a");
  CHECK(options.mountpoint == "/b");
  CHECK(options.foreground);
  CHECK(options.threads == 3);
}

TEST_CASE("An empty argument is a path and nothing else", "[command-line]") {
  const Options options = options_of({"", "/b"});
  CHECK(options.source.empty());
  CHECK(options.mountpoint == "/b");
}

TEST_CASE("After -- everything is a path", "[command-line]") {
  const Options options = options_of({"--", "-o", "--help"});
  CHECK(options.source == "-o");
  CHECK(options.mountpoint == "--help");
}

TEST_CASE("Mount options are kept in their order, however the list is given", "[command-line]") {
  const Arguments wanted{"ro", "allow_other", "fsname=/data"};
  CHECK(parse({"-o", "ro,allow_other,fsname=/data"}).mount_options == wanted);
  CHECK(parse({"-oro,allow_other,fsname=/data"}).mount_options == wanted);
  CHECK(parse({"--option", "ro,allow_other,fsname=/data"}).mount_options == wanted);
  CHECK(parse({"--option=ro,allow_other,fsname=/data"}).mount_options == wanted);
  CHECK(parse({"-o", "ro", "-oallow_other", "--option=fsname=/data"}).mount_options == wanted);
}

TEST_CASE("A list of mount options may follow other short options", "[command-line]") {
  const Options options = parse({"-fo", "ro,allow_other"});
  CHECK(options.foreground);
  CHECK(options.mount_options == Arguments{"ro", "allow_other"});
  CHECK(parse({"-foro"}).mount_options == Arguments{"ro"});
}

TEST_CASE("A list of mount options may hold the daemon's own, as fstab needs it",
          "[command-line]") {
  const Options options =
      parse({"-o", "ro,read-path=plain,cache=never,threads=2,log-level=debug,x-systemd.automount"});
  CHECK(options.read_path == ReadPath::kPlain);
  CHECK(options.cache.mode == CacheMode::kNever);
  CHECK(options.threads == 2);
  CHECK(options.log_level == "debug");
  CHECK(options.mount_options == Arguments{"ro"});
  CHECK(parse({"-omax-mappings=9"}).max_mappings == 9U);
}

TEST_CASE("Options that speak to others are dropped", "[command-line]") {
  CHECK(parse({"-o", "defaults,rw,noauto,user,nofail,_netdev,x-a=b"}).mount_options.empty());
}

TEST_CASE("An escaped comma belongs to the value", "[command-line]") {
  CHECK(parse({"-o", R"(fsname=a\,b,ro)"}).mount_options == Arguments{"fsname=a,b", "ro"});
}

TEST_CASE("Help and version are texts, whatever else is given", "[command-line]") {
  for (const char* help : {"--help", "-h"}) {
    const std::string text = text_of({help});
    check_says(text, {"Usage: mmapdirfs", "--read-path", "--cache", "--threads", "--max-mappings",
                      "--log-level", "--foreground", "--version"});
    CHECK_FALSE(text.contains("mount-option"));
  }
  for (const char* version : {"--version", "-V"}) {
    CHECK(text_of({version, "/only-one-path"}) == version_text());
  }
}

TEST_CASE("Too few or too many paths are refused with what is needed", "[command-line]") {
  check_says(refusal_of_all({}), {"no directory", "SOURCE and MOUNTPOINT"});
  check_says(refusal_of_all({"/a"}), {"1 path", "SOURCE and MOUNTPOINT"});
  check_says(refusal_of_all({"/a", "/b", "/c"}), {"3 path", "SOURCE and MOUNTPOINT"});
}

TEST_CASE("An unknown option is refused by name, an abbreviated one too", "[command-line]") {
  for (const char* option : {"--nonsense", "--thread=4", "--fore", "-x"}) {
    CAPTURE(option);
    CHECK(refusal({option}).contains(option));
  }
}

TEST_CASE("A value that isn't allowed is refused with those that are", "[command-line]") {
  check_says(refusal({"--read-path=fast"}),
             {"--read-path=fast", "auto", "passthrough", "mapped", "plain"});
  check_says(refusal({"--read-path=Mapped"}), {"--read-path=Mapped"});
  check_says(refusal({"--cache=ever"}), {"--cache=ever", "auto", "never", "always"});
  check_says(refusal({"--attr-timeout=-1"}), {"--attr-timeout=-1", "0"});
  check_says(refusal({"--cache=never", "--entry-timeout=5"}), {"--cache=never", "--entry-timeout"});
  check_says(refusal({"--io-uring=yes"}), {"--io-uring=yes", "auto", "on", "off"});
  check_says(refusal({"--log-level=loud"}), {"--log-level=loud", "error", "warn", "info", "debug"});
}

TEST_CASE("A number out of its range is refused with the range", "[command-line]") {
  for (const char* value :
       {"0", "257", "-1", "+4", " 4", "4x", "4.5", "0x10", "many", "99999999999999999999"}) {
    CAPTURE(value);
    check_says(refusal({std::string("--threads=") + value}),
               {"--threads=", value, "from 1 to 256"});
  }
  check_says(refusal({"--max-mappings=0"}), {"--max-mappings=0", "from 1 to 1073741824"});
  check_says(refusal({"--max-mappings=1073741825"}), {"from 1 to 1073741824"});
  check_says(refusal({"--read-ahead=3"}), {"--read-ahead=3", "from 4 to 65536"});
  check_says(refusal({"--read-ahead=1M"}), {"--read-ahead=1M", "from 4 to 65536"});
}

TEST_CASE("An option without its value is refused by name", "[command-line]") {
  for (const char* option : {"--threads", "--read-path", "--cache", "--max-mappings"}) {
    CAPTURE(option);
    CHECK(refusal_of_all({"/source", "/mountpoint", option}).contains(option));
    CHECK(refusal({std::string(option) + "="}).contains(option));
    // In a list it must not take the next argument for its value.
    CHECK(refusal({"-o", std::string(option).substr(2)}).contains(option));
    CHECK(refusal({"-o", std::string(option).substr(2) + ",ro"}).contains(option));
  }
  CHECK(refusal_of_all({"/source", "/mountpoint", "-o"}).contains("-o"));
  CHECK(refusal_of_all({"/source", "/mountpoint", "-fo"}).contains("-o"));
}

TEST_CASE("A flag with a value is refused by name", "[command-line]") {
  CHECK(refusal({"--foreground=yes"}).contains("--foreground"));
}

TEST_CASE("An option given twice is refused by name, also when once in a list", "[command-line]") {
  CHECK(refusal({"--threads=4", "--threads=5"}).contains("--threads"));
  CHECK(refusal({"--threads=4", "-o", "threads=5"}).contains("--threads"));
  CHECK(refusal({"-o", "cache=auto,cache=never"}).contains("--cache"));
}

TEST_CASE("An unknown mount option is refused with those that are allowed", "[command-line]") {
  check_says(refusal({"-o", "ro,nonsense"}), {"-o nonsense", "allow_other", "read-path"});
  check_says(refusal({"-o", "fsname="}), {"-o fsname="});
  check_says(refusal({"-o", "threads4"}), {"-o threads4"});
  check_says(refusal({"-o", "foreground"}), {"-o foreground"});
}

TEST_CASE("Options in a list are checked as they are elsewhere", "[command-line]") {
  check_says(refusal({"-o", "threads=0"}), {"--threads=0", "from 1 to 256"});
  check_says(refusal({"-o", "cache=sometimes"}), {"--cache=sometimes", "auto", "never"});
}

TEST_CASE("Contradictions are refused", "[command-line]") {
  check_says(refusal({"-o", "ro,rw"}), {"-o ro", "-o rw", "contradict"});
  for (const char* path : {"passthrough", "plain"}) {
    check_says(refusal({"--max-mappings=5", std::string("--read-path=") + path}),
               {"--max-mappings", "--read-path", "contradict"});
  }
  CHECK(parse({"--max-mappings=5", "--read-path=mapped"}).max_mappings == 5U);
  CHECK(parse({"--max-mappings=5", "--read-path=auto"}).max_mappings == 5U);
  check_says(refusal({"--read-ahead=512", "--read-path=passthrough"}),
             {"--read-ahead", "--read-path=passthrough", "contradict"});
  CHECK(parse({"--read-ahead=512", "--read-path=plain"}).read_ahead_kib == 512U);
}

TEST_CASE("Metrics are served where the command line says, and nowhere else", "[command-line]") {
  CHECK(parse({}).metrics_listen == std::nullopt);
  const auto address = [](const char* text) {
    const auto listen = parse({std::string("--metrics-listen=") + text}).metrics_listen;
    return listen ? listen->text() : "none";
  };
  CHECK(address("9100") == "127.0.0.1:9100");
  CHECK(address("0.0.0.0:9100") == "0.0.0.0:9100");
  CHECK(address("[::1]:0") == "[::1]:0");
  CHECK(present(parse({"-ometrics-listen=9100"}).metrics_listen).port == 9100);
  for (const char* const wrong : {"x", ":9100", "9100x", "65536", "-1", "localhost:9100",
                                  "127.0.0.1", "127.0.0.1:", "1.2.3:1", "::1:9100", "[::1]"}) {
    check_says(refusal({std::string("--metrics-listen=") + wrong}),
               {"--metrics-listen=", "[ADDRESS:]PORT"});
  }
}

TEST_CASE("The control directory has a name, or there is none", "[command-line]") {
  CHECK(parse({}).control == ".mmapdirfs");
  CHECK(parse({"--control=.status"}).control == ".status");
  CHECK(parse({"-ocontrol=off"}).control == std::nullopt);
  for (const char* wrong : {".", "..", "a/b", "/a", "a/"}) {
    check_says(refusal({std::string("--control=") + wrong}), {"--control=", "off", "without '/'"});
  }
  check_says(refusal({"--control=" + std::string(256, 'x')}), {"--control=", "without '/'"});
}

// A mistake, and what its message has to say: what is wrong, and what is allowed.
struct Mistake {
  Arguments arguments;
  std::vector<std::string> wrong;
  std::vector<std::string> allowed;
  bool is_whole = false;  // no paths belong behind the arguments
};

const std::vector<Mistake>& mistakes() {
  static const std::vector<Mistake> table{
      {{}, {"no directory"}, {"SOURCE and MOUNTPOINT"}, true},
      {{"/a"}, {"1 path", "'/a'"}, {"SOURCE and MOUNTPOINT"}, true},
      {{"/a", "/b", "/c"}, {"3 path", "'/c'"}, {"SOURCE and MOUNTPOINT"}, true},
      {{"-o"}, {"-o: a list", "missing"}, {"OPT[,OPT...]", "ro,allow_other"}, true},
      {{"--option"}, {"--option: a list", "missing"}, {"OPT[,OPT...]"}, true},
      {{"--frobnicate"}, {"'--frobnicate'"}, {"--read-path", "--cache", "--version"}},
      {{"--thread=4"}, {"'--thread=4'"}, {"--threads"}},
      {{"-z"}, {"'-z'"}, {"--foreground", "--option"}},
      {{"--threads"}, {"'--threads'", "missing"}, {"--threads=N", "1 to 256"}, true},
      {{"--cache="}, {"'--cache'"}, {"--cache=MODE", "auto", "never", "always"}},
      {{"-othreads"}, {"'--threads'"}, {"--threads=N", "1 to 256"}},
      {{"--foreground=yes"}, {"'--foreground'", "not take"}, {"--foreground: stay in front"}},
      {{"--threads=4", "--threads=5"}, {"'--threads'", "more than once"}, {"--threads=N"}},
      {{"-ofrobnicate"}, {"-o frobnicate"}, {"allow_other", "read-path"}},
      {{"-oro=1"}, {"-o ro=1"}, {"ro, ", "without one elsewhere"}},
      {{"-ofsname"}, {"-o fsname:"}, {"fsname=", "with a value"}},
      {{"-oro,rw"}, {"-o ro", "-o rw", "contradicts"}, {"one of them"}},
      {{"--read-path=fast"}, {"--read-path=fast"}, {"auto, passthrough, mapped, plain"}},
      {{"--cache=ever"}, {"--cache=ever"}, {"auto, never, always"}},
      {{"--io-uring=yes"}, {"--io-uring=yes"}, {"auto", "on", "off"}},
      {{"--idmap=yes"}, {"--idmap=yes"}, {"off, on"}},
      {{"--log-level=loud"}, {"--log-level=loud"}, {"error, warn, info, debug"}},
      {{"--threads=many"}, {"--threads=many"}, {"whole number from 1 to 256"}},
      {{"--max-mappings=0"}, {"--max-mappings=0"}, {"from 1 to 1073741824"}},
      {{"--read-ahead=1M"}, {"--read-ahead=1M"}, {"from 4 to 65536"}},
      {{"--attr-timeout=-1"}, {"--attr-timeout=-1"}, {"from 0 to"}},
      {{"--entry-timeout=1s"}, {"--entry-timeout=1s"}, {"from 0 to"}},
      {{"--hot-set-interval=0"}, {"--hot-set-interval=0"}, {"from 1 to"}},
      {{"--control=a/b"}, {"--control=a/b"}, {"off", "without '/'", "255 bytes"}},
      {{"--control=.."}, {"--control=.."}, {"not '.' or '..'"}},
      {{"--metrics-listen=here"}, {"--metrics-listen=here"}, {"[ADDRESS:]PORT", "127.0.0.1:9100"}},
      {{"--hot-set=dir/"}, {"--hot-set=dir/", "no file"}, {"a file's path", "'/'"}},
      {{"--advice=*.idx"}, {"--advice=*.idx"}, {"PATTERN=random"}},
      {{"--advice=*.idx=fast"}, {"--advice=*.idx=fast"}, {"PATTERN=sequential"}},
      {{"--advice=*.idx=willneed"}, {"--advice=*.idx=willneed"}, {"PATTERN=normal"}},
      {{"--advice==random"}, {"--advice==random", "is empty"}, {"PATTERN=random", "'*.idx'"}},
      {{"--advice=a//b=random"}, {"--advice=a//b=random", "an empty name"}, {"one '/' between"}},
      {{"--advice=a/=random"}, {"--advice=a/=random", "ends with '/'"}, {"'name/**'"}},
      {{"--advice=../a=random"}, {"--advice=../a=random", "'..'"}, {"beneath the root"}},
      {{"--advice=[a=random"}, {"--advice=[a=random", "without its ']'"}, {"'[...]'"}},
      {{"--advice=[z-a]=random"}, {"--advice=[z-a]=random", "reversed"}, {"'[a-z]'"}},
      {{"--advice=a\\=random"}, {"--advice=a\\=random", "backslash"}, {"'\\\\'"}},
      {{"--cache=never", "--attr-timeout=5"},
       {"--cache=never", "--attr-timeout", "contradicts"},
       {"allowed with --cache=auto and --cache=always"}},
      {{"--max-mappings=5", "--read-path=plain"},
       {"--max-mappings", "--read-path=plain", "contradicts"},
       {"allowed with --read-path=auto and --read-path=mapped"}},
      {{"--read-ahead=512", "--read-path=passthrough"},
       {"--read-ahead", "--read-path=passthrough", "contradicts"},
       {"allowed with --read-path=auto, mapped and plain"}},
  };
  return table;
}

TEST_CASE("Each mistake is told with what is wrong and with what is allowed", "[command-line]") {
  for (const Mistake& mistake : mistakes()) {
    const Arguments& arguments = mistake.arguments;
    CAPTURE(arguments);
    const std::string message = mistake.is_whole ? refusal_of_all(arguments) : refusal(arguments);
    CAPTURE(message);
    CHECK(message.contains("allowed"));
    check_says(message, mistake.wrong);
    check_says(message, mistake.allowed);
  }
}

TEST_CASE("An option that lacks its value, or has one too many, is told with its use",
          "[command-line]") {
  for (const char* option :
       {"read-path", "cache", "attr-timeout", "entry-timeout", "threads", "io-uring", "idmap",
        "max-mappings", "read-ahead", "log-level", "control", "metrics-listen", "hot-set",
        "hot-set-interval", "advice"}) {
    CAPTURE(option);
    check_says(refusal({fmt::format("-o{}", option)}),
               {fmt::format("'--{}'", option), fmt::format("; allowed is --{}=", option)});
  }
  for (const char* option : {"foreground", "help", "version"}) {
    CAPTURE(option);
    check_says(refusal({fmt::format("--{}=x", option)}),
               {fmt::format("'--{}'", option), fmt::format("; allowed is --{}: ", option)});
  }
}

}  // namespace
}  // namespace mmapdirfs::test
