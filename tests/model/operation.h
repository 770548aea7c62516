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
void add_lock_operations(Kinds& kinds);
void add_mapping_operations(Kinds& kinds);  // shared mappings that are read and written

// Those that are carried out around the clients rather than by one.
inline constexpr std::string_view kCrash = "crash";    // the client is killed, and one comes after
inline constexpr std::string_view kForget = "forget";  // the kernel forgets what it needn't know
inline constexpr std::string_view kCompare = "compare trees";
// Comes before it, to each client.
inline constexpr std::string_view kSyncAllMapped = "sync all mapped";

// What an open file's O_APPEND is taken away with (fcntl).
inline constexpr std::string_view kClearAppend = "clear append";

// Whether programs map files for writing. When the bytes reach the source, and with them the file's
// time, is the kernel's own choice then: FUSE sets no time where a page is written to.
enum class Mappings { kNone, kShared };

const Kinds& kinds_of(Mappings mappings);

std::vector<Operation> random_operations(std::uint64_t seed, std::size_t count, unsigned clients,
                                         Mappings mappings,
                                         const std::vector<std::string_view>& left_out);

// An element of `choices`, by the operation's number.
template <class Choices>
const auto& choose(const Choices& choices, std::uint64_t number) {
  return choices[number % choices.size()];
}

}  // namespace mmapdir::test
