// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cache_policy.h"
#include "fs/advice_rules.h"
#include "fs/types.h"
#include "metrics/listen_address.h"
#include "transport.h"

namespace mmapdirfs {

// What the user asked for. Defaults are here and nowhere else.
struct Options {
  std::string source;
  std::string mountpoint;

  // Stay in front and log to stderr, instead of going behind and logging to syslog.
  bool foreground = false;
  // How regular files are read; nothing: the fastest that can be had.
  std::optional<ReadPath> read_path;
  CacheOptions cache;
  // Threads that serve requests at most. They are made as they are needed; sixteen keep a disk's
  // queue filled while the processors stay busy.
  unsigned threads = 16;
  // Not kAuto yet: under a thread sanitizer's slow daemon a listing was once left without an
  // answer.
  IoUringUse io_uring = IoUringUse::kOff;
  // The mount may be seen through idmapped mounts of it. Not the default, since the kernel then
  // tells no more who makes a request.
  bool idmap = false;
  // Files mapped at once; nothing: half of vm.max_map_count.
  std::optional<unsigned> max_mappings;
  // How far the kernel reads ahead on the mount, where it keeps pages of it; nothing: as it likes.
  std::optional<unsigned> read_ahead_kib;
  // One of spdlog's names: error, warning, info, debug.
  std::string log_level = "info";
  // The control directory's name in the mount's root; nothing: there is none.
  std::optional<std::string> control = ".mmapdirfs";
  // Where an HTTP server answers with the metrics; nothing: there is none.
  std::optional<ListenAddress> metrics_listen;
  // A file that says what of the source is to be in memory, loaded after the mount and saved every
  // so often and at its end. Absolute.
  std::optional<std::filesystem::path> hot_set;
  std::chrono::seconds hot_set_interval{300};
  // "PATTERN=normal", "PATTERN=random" or "PATTERN=sequential", checked; the last one that matches
  // a file counts.
  std::vector<std::string> advice;
  std::vector<AdviceRule> advice_rules;  // the same
  // For the kernel and libfuse, unescaped and in their order: "allow_other", "fsname=/data".
  std::vector<std::string> mount_options;

  bool has_mount_option(std::string_view name) const;
};

// The command line asks for a text rather than for a mount.
struct TextRequest {
  std::string text;
};

// The command line makes no sense; the message says why and what is allowed.
struct UsageError {
  std::string message;
};

// What the user wants: a mount, or a text.
using CommandLine = std::variant<Options, TextRequest>;

// Reads `mmapdirfs [options] SOURCE MOUNTPOINT`; `arguments` are without the program's name. An
// `-o` list may hold the long options as well, so that they can stand in fstab.
std::expected<CommandLine, UsageError> parse_command_line(
    const std::vector<std::string>& arguments);

}  // namespace mmapdirfs
