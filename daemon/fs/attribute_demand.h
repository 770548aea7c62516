// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string_view>

#include "fs/directory_stream.h"
#include "fs/lru_map.h"
#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// Tells whose listings are worth the attributes of files. They cost many times as much as a name,
// which pays where they are asked for afterwards (`ls -l`), and doesn't where they aren't (`find`).
//
// The kernel asks for nothing that it was given, so nothing would tell. Therefore one file of a
// listing, its witness, comes by its name alone: who looks at the files has to ask for it. Once a
// thread has listed some directories whose witnesses nobody has asked for, it is given names of
// files only. The first witness that is asked for after all ends that, and it has no more of them.
//
// Directories always come with their attributes: who walks a tree looks at them. Any thread may
// call.
class AttributeDemand {
 public:
  class Listing;

  // A directory that a thread begins to list.
  Listing begin(pid_t thread, NodeId directory);

  // Somebody looks a name up.
  void note_lookup(NodeId directory, std::string_view name);

 private:
  struct Thread {
    unsigned witnesses = 0;  // that were not asked for, so far
    bool wants = false;
  };
  struct Witness {
    pid_t thread;
    std::size_t name_hash;
  };
  struct State {
    LruMap<pid_t, Thread> threads{kThreads};
    LruMap<NodeId, Witness> witnesses{kWitnesses};
  };

  void add_witness(pid_t thread, NodeId directory, std::string_view name);

  static constexpr unsigned kEnough = 3;  // directories
  // A program that walks a tree comes back to a directory's files some directories later.
  static constexpr std::size_t kThreads = 64;
  static constexpr std::size_t kWitnesses = 1024;

  mmapdir::Guarded<State> state_;
};

// Chooses the entries that come with attributes. Of one thread; borrows the demand.
class AttributeDemand::Listing {
 public:
  bool wants(const DirectoryEntry& entry);

 private:
  friend class AttributeDemand;
  enum class Files { kAll, kAllButWitness, kNone };

  Listing(AttributeDemand& demand, pid_t thread, NodeId directory, Files files)
      : demand_(demand), thread_(thread), directory_(directory), files_(files) {}

  AttributeDemand& demand_;
  const pid_t thread_;
  const NodeId directory_;
  const Files files_;
  bool has_witness_ = false;
};

}  // namespace mmapdirfs
