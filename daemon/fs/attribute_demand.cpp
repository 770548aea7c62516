// SPDX-License-Identifier: MIT
#include "fs/attribute_demand.h"

#include <sys/stat.h>

#include <functional>

namespace mmapdirfs {
namespace {

std::size_t hash_of(std::string_view name) { return std::hash<std::string_view>{}(name); }

}  // namespace

AttributeDemand::Listing AttributeDemand::begin(pid_t thread, NodeId directory) {
  auto state = state_.lock();
  const Thread* const known = state->threads.find(thread);
  const Thread now = known == nullptr ? Thread{} : *known;
  if (now.wants) {
    return {*this, thread, directory, Listing::Files::kAll};
  }
  const bool never_asks = now.witnesses >= kEnough;
  return {*this, thread, directory,
          never_asks ? Listing::Files::kNone : Listing::Files::kAllButWitness};
}

void AttributeDemand::add_witness(pid_t thread, NodeId directory, std::string_view name) {
  auto state = state_.lock();
  Thread* known = state->threads.find(thread);
  if (known == nullptr) {
    state->threads.insert(thread, {});
    known = state->threads.find(thread);
  }
  ++known->witnesses;
  state->witnesses.insert(directory, {.thread = thread, .name_hash = hash_of(name)});
}

void AttributeDemand::note_lookup(NodeId directory, std::string_view name) {
  auto state = state_.lock();
  const Witness* const witness = state->witnesses.find(directory);
  if (witness == nullptr || witness->name_hash != hash_of(name)) {
    return;
  }
  if (Thread* const thread = state->threads.find(witness->thread)) {
    thread->wants = true;
  }
  state->witnesses.erase(directory);
}

// A name that begins with a dot is no witness: programs look for some of them by themselves
// (.gitignore).
bool AttributeDemand::Listing::wants(const DirectoryEntry& entry) {
  const bool may_be_directory = entry.type == 0 || entry.type == S_IFDIR;
  if (may_be_directory || files_ == Files::kAll) {
    return true;
  }
  if (!has_witness_ && *entry.name != '.') {
    has_witness_ = true;
    demand_.add_witness(thread_, directory_, entry.name);
    return false;
  }
  return files_ == Files::kAllButWitness;
}

}  // namespace mmapdirfs
