// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "random.h"

namespace mmapdir::test {

// One call of one client. What a kind of operation doesn't need, it doesn't look at, so that any
// values make an operation. Text is static, so that it is the same in a forked process.
struct Operation {
  std::string_view kind;
  unsigned client = 0;
  unsigned slot = 0;   // an open file
  unsigned other = 0;  // a second open file, or a mapping
  const char* path = ".";
  const char* target = ".";
  off_t offset = 0;
  std::size_t length = 0;
  std::uint64_t number = 0;  // chooses flags, modes, names and bytes
};

// As it is written in a list of operations.
std::string to_string(const Operation& operation);

struct World;

struct Kind {
  std::string_view name;
  unsigned weight;  // how often it comes
  // What a client makes of it in one of its worlds: a value or the name of the errno, and what else
  // a program can see of its effect.
  std::string (*carry_out)(World& world, const Operation& operation);
};

using Kinds = std::vector<Kind>;

void add_file_operations(Kinds& kinds);       // open files and their bytes
void add_name_operations(Kinds& kinds);       // what directories hold
void add_attribute_operations(Kinds& kinds);  // modes, owners, times, extended attributes
void add_direct_operations(Kinds& kinds);     // O_DIRECT, set and taken back
void add_handle_operations(Kinds& kinds);     // files found again by handle
void add_mount_operations(Kinds& kinds);      // file systems mounted within
void add_lock_operations(Kinds& kinds);
void add_mapping_operations(Kinds& kinds);  // shared mappings that are read and written

// Those that are carried out around the clients rather than by one.
inline constexpr std::string_view kCrash = "crash";    // the client is killed, and one comes after
inline constexpr std::string_view kForget = "forget";  // the kernel forgets what it needn't know
inline constexpr std::string_view kCompare = "compare trees";
// Comes before it, to each client.
inline constexpr std::string_view kSyncAllMapped = "sync all mapped";
// A child of the client holds all that it has open now, until the child is ended.
inline constexpr std::string_view kFork = "fork";
inline constexpr std::string_view kEndChild = "end child";

// Whether programs map files for writing. When the bytes reach the source, and with them the file's
// time, is the kernel's own choice then: FUSE sets no time where a page is written to.
enum class Mappings { kNone, kShared };

const Kinds& kinds_of(Mappings mappings);

// What random operations are about.
struct Choice {
  std::vector<std::string_view> left_out{};  // kinds
  std::vector<const char*> paths{};          // all that there are, if none are named
};

std::vector<Operation> random_operations(std::uint64_t seed, std::size_t count, unsigned clients,
                                         Mappings mappings, const Choice& choice);

// An element of `choices`, by the operation's number.
template <class Choices>
const auto& choose(const Choices& choices, std::uint64_t number) {
  return choices[number % choices.size()];
}

}  // namespace mmapdir::test
