// SPDX-License-Identifier: MIT
#include "fs/inode_table.h"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ranges>
#include <utility>

namespace mmapdirfs {
namespace {

// Nanoseconds since the epoch; zero where the file system doesn't keep birth times. Unsigned until
// the end, since it is only compared and a server may put any time there.
std::int64_t birth_of(const Attributes& attributes) {
  if ((attributes.stx_mask & STATX_BTIME) == 0) {
    return 0;
  }
  const auto seconds = static_cast<std::uint64_t>(attributes.stx_btime.tv_sec);
  return static_cast<std::int64_t>((seconds * 1'000'000'000U) + attributes.stx_btime.tv_nsec);
}

// So many inodes are worth the milliseconds that it takes to look through malloc's heap.
constexpr std::size_t kMany = 10'000;

Error stale() { return Error::from_errno(ESTALE, "find the file again"); }

}  // namespace

InodeTable::InodeTable(const Source& source, const Attributes& root, std::size_t descriptors,
                       int descriptor_limit)
    : InodeTable(source, root, descriptors, descriptor_limit, Memory()) {}

InodeTable::InodeTable(const Source& source, const Attributes& root, std::size_t descriptors,
                       int descriptor_limit, const Memory& memory)
    : source_(source),
      descriptor_limit_(descriptor_limit),
      most_forgotten_(memory.forgotten),
      state_(std::max<std::size_t>(descriptors, 1)) {
  auto state = state_.lock();
  state->last_node = std::max(memory.first_node, static_cast<std::uint64_t>(kRootNode));
  state->inodes.insert({.node = kRootNode,
                        .identity = mmapdirfs::identity_of(root),
                        .locator = source_.locate(source_.root()->get(), ""),
                        .parent = kRootNode,
                        .birth = birth_of(root),
                        .lookups = 1,
                        .named_at = 1,
                        .is_directory = true});
}

Result<Entry> InodeTable::lookup(NodeId parent, int parent_fd, const char* name) {
  auto opened = source_.open_child(parent_fd, name);
  if (!opened) {
    return std::unexpected(opened.error());
  }
  const auto fd = std::make_shared<const UniqueFd>(std::move(*opened));
  return enter(parent, fd->get(), name, fd);
}

// The descriptor isn't remembered: one open for writing would keep the file from being executed.
Result<Entry> InodeTable::adopt(NodeId parent, int fd, const char* name) {
  return enter(parent, fd, name, nullptr);
}

Result<Entry> InodeTable::enter(NodeId parent, int fd, const char* name, SharedFd descriptor) {
  auto attributes = Source::attributes(fd);
  if (!attributes) {
    return std::unexpected(attributes.error());
  }
  const bool is_held = descriptor != nullptr;
  const Entry entry =
      intern(parent, *attributes, source_.locate(fd, name), std::move(descriptor), name);
  if (is_held) {
    note_held(source_.mount_of(*attributes));
  }
  return entry;
}

void InodeTable::note_held(std::uint32_t mount) const {
  if (mount != kRootMount && notice_ != nullptr) {
    notice_->note();
  }
}

// Whether the file is there still, reaching it has shown.
Result<Entry> InodeTable::find_again(NodeId node, int fd) {
  const auto attributes = Source::attributes(fd);
  if (!attributes) {
    return std::unexpected(attributes.error());
  }
  auto state = state_.lock();
  InodeRecord* known = state->inodes.find(node);
  if (known == nullptr) {
    return std::unexpected(stale());
  }
  take_up(*state, *known);
  return Entry{.node = node, .attributes = *attributes, .is_watched = known->is_watched};
}

Result<Entry> InodeTable::adopt_directory(int fd) {
  const auto attributes = Source::attributes(fd);
  if (!attributes) {
    return std::unexpected(attributes.error());
  }
  Locator locator = source_.locate(fd, "");
  const SourceIdentity identity = mmapdirfs::identity_of(*attributes);
  if (locator.is_handle || identity == root_identity()) {
    return intern(kNoNode, *attributes, std::move(locator), nullptr, "");
  }
  auto state = state_.lock();
  InodeRecord* known = state->inodes.find(identity);
  if (known == nullptr || known->birth != birth_of(*attributes)) {
    return std::unexpected(stale());
  }
  take_up(*state, *known);
  return Entry{.node = known->node, .attributes = *attributes, .is_watched = known->is_watched};
}

SourceIdentity InodeTable::root_identity() const {
  return state_.lock()->inodes.find(kRootNode)->identity;
}

// The kernel learns of the node, perhaps again.
void InodeTable::take_up(State& state, InodeRecord& known) {
  ++known.lookups;
  if (known.is_forgotten) {
    known.is_forgotten = false;
    --state.forgotten_count;
  }
}

void InodeTable::note_name(NodeId parent, int parent_fd, const char* name) {
  const auto fd = source_.open_child(parent_fd, name);
  const auto attributes = fd ? Source::attributes(fd->get()) : std::unexpected(fd.error());
  if (!attributes) {
    return;  // gone again
  }
  Locator locator = source_.locate(fd->get(), name);
  auto state = state_.lock();
  InodeRecord* known = state->inodes.find(mmapdirfs::identity_of(*attributes));
  if (known != nullptr && known->node != kRootNode &&
      is_same_file(*known, locator, birth_of(*attributes))) {
    note_found(*state, *known, parent, name, std::move(locator), source_.mount_of(*attributes));
  }
}

// A handle carries the inode's generation. Where files go by name the birth time tells a recycled
// inode number; the locators differ with each hard link and each rename.
bool InodeTable::is_same_file(const InodeRecord& known, const Locator& locator,
                              std::int64_t birth) {
  if (known.locator.is_handle && locator.is_handle) {
    return known.locator.handle_type == locator.handle_type && known.locator.key == locator.key;
  }
  return known.birth == birth;
}

Entry InodeTable::intern(NodeId parent, const Attributes& attributes, Locator locator, SharedFd fd,
                         const char* name) {
  Entry entry{.node = kNoNode, .attributes = attributes};
  const SourceIdentity identity = mmapdirfs::identity_of(attributes);
  const std::int64_t birth = birth_of(attributes);
  const std::uint32_t mount = source_.mount_of(attributes);
  std::optional<SharedFd> evicted;  // closed after the lock is dropped
  auto state = state_.lock();
  // Found by its name, which may have been taken away since then.
  const std::uint64_t named_at = *name != '\0' ? ++state->clock : 0;
  const InodeRecord* directory = state->inodes.find(parent);
  entry.parent_watched = directory != nullptr && directory->is_watched;
  InodeRecord* known = state->inodes.find(identity);
  if (known != nullptr && (known->node == kRootNode || is_same_file(*known, locator, birth))) {
    if (known->node != kRootNode) {
      note_found(*state, *known, parent, name, std::move(locator), mount);
    }
    take_up(*state, *known);
    known->named_at = std::max(known->named_at, named_at);
    entry.node = known->node;
    entry.is_watched = known->is_watched;
  } else {
    // Where the number was recycled, the old inode lives on under its node until it is forgotten.
    entry.node = NodeId{++state->last_node};
    const bool is_handle = locator.is_handle;
    state->inodes.insert({.node = entry.node,
                          .identity = identity,
                          .locator = std::move(locator),
                          .parent = parent,
                          .name = is_handle ? name : "",
                          .birth = birth,
                          .lookups = 1,
                          .named_at = named_at,
                          .is_directory = S_ISDIR(attributes.stx_mode),
                          .mount = mount});
    state->most = std::max(state->most, state->inodes.size() - state->forgotten_count);
  }
  evicted = remember_descriptor(*state, entry.node, std::move(fd), mount);
  return entry;
}

// From now on the inode, which isn't the root, is found under the name it was seen under last.
void InodeTable::rename(State& state, InodeRecord& known, NodeId parent, Locator by_name,
                        std::uint32_t mount) {
  state.inodes.set_handle_hash(known, by_name.handle_hash);
  known.locator = std::move(by_name);
  known.mount = mount;
  known.parent = parent;
  known.name.clear();
}

// What is reached by a handle now, was found by the root's mount, and may have been by another one.
void InodeTable::note_found(State& state, InodeRecord& known, NodeId parent, const char* name,
                            Locator locator, std::uint32_t mount) {
  if (!locator.is_handle) {
    return rename(state, known, parent, std::move(locator), mount);
  }
  if (*name != '\0') {
    if (!known.locator.is_handle) {
      rename(state, known, parent, std::move(locator), mount);
    }
    known.parent = parent;
    known.name = name;
  }
}

std::string_view InodeTable::name_of(const InodeRecord& known) {
  return known.locator.is_handle ? known.name : known.locator.key;
}

std::optional<SourceIdentity> InodeTable::forget(NodeId node, std::uint64_t count) {
  const auto [gone, many_went] = take_back(node, count);
  if (many_went) {
    // Their long keys left holes all over malloc's heap, of which it gives back only the end.
    ::malloc_trim(0);
  }
  return gone;
}

InodeTable::Forgotten InodeTable::take_back(NodeId node, std::uint64_t count) {
  std::array<std::optional<SharedFd>, 2> dropped;  // closed after the lock is dropped
  auto state = state_.lock();
  InodeRecord* known = state->inodes.find(node);
  if (node == kRootNode || known == nullptr || known->is_forgotten) {
    return {};
  }
  known->lookups -= std::min(count, known->lookups);
  if (known->lookups > 0) {
    return {};
  }
  dropped = {state->descriptors.erase(node), state->nested.erase(node)};
  Forgotten forgotten;
  if (state->inodes.has_identity(*known)) {
    forgotten.gone = known->identity;
  }
  if (known->locator.is_handle && most_forgotten_ > 0) {
    remember(*state, *known);
  } else {
    state->inodes.erase(node);
  }
  const std::size_t left = state->inodes.size() - state->forgotten_count;
  forgotten.many_went = state->most >= kMany && left < state->most / 2;
  if (forgotten.many_went) {
    state->most = left;
  }
  return forgotten;
}

// Makes room for it, too. A node that was known again in between, and is forgotten once more, goes
// in the turn of its first time.
void InodeTable::remember(State& state, InodeRecord& known) const {
  known.is_forgotten = true;
  known.is_watched = false;
  known.version = 0;  // the kernel's pages are gone
  ++state.forgotten_count;
  state.forgotten.push_back(known.node);
  if (state.forgotten.size() <= most_forgotten_) {
    return;
  }
  const NodeId oldest = state.forgotten.front();
  state.forgotten.pop_front();
  const InodeRecord* const found = state.inodes.find(oldest);
  if (found != nullptr && found->is_forgotten) {
    state.inodes.erase(oldest);
    --state.forgotten_count;
  }
}

Result<SharedFd> InodeTable::reach(NodeId node) {
  SharedFd fd;
  const auto steps = path_to(node, fd);
  if (!steps) {
    return std::unexpected(steps.error());
  }
  for (const Step& step : *steps | std::views::reverse) {
    auto next = take(step, fd);
    if (!next) {
      return std::unexpected(next.error());
    }
    fd = std::move(*next);
  }
  return fd;
}

// Climbs from `node` to the first inode whose descriptor is at hand or that needs no parent, and
// answers what has to be opened on the way back, the last step first. `start` is where to begin.
Result<std::vector<InodeTable::Step>> InodeTable::path_to(NodeId node, SharedFd& start) const {
  std::vector<Step> steps;
  auto state = state_.lock();
  while (node != kRootNode) {
    if (const SharedFd* cached = state->descriptor_of(node)) {
      start = *cached;
      return steps;
    }
    const InodeRecord* known = state->inodes.find(node);
    // A cycle of parents can arise where directories are moved on the source; no honest chain is
    // longer than the table.
    if (known == nullptr || steps.size() > state->inodes.size()) {
      return std::unexpected(stale());
    }
    steps.push_back({.node = node,
                     .identity = known->identity,
                     .locator = known->locator,
                     .birth = known->birth});
    if (known->locator.is_handle) {
      return steps;
    }
    node = known->parent;
  }
  start = source_.root();
  return steps;
}

Result<SharedFd> InodeTable::take(const Step& step, const SharedFd& parent) {
  auto opened = source_.open_located(step.locator, parent ? parent->get() : -1);
  if (!opened) {
    // A name that is gone says nothing of the inode, which may live on under another one.
    return std::unexpected(opened.error().errnum() == ENOENT ? stale() : opened.error());
  }
  auto fd = std::make_shared<const UniqueFd>(std::move(*opened));
  std::uint32_t mount = kRootMount;
  if (!step.locator.is_handle) {
    const auto attributes = Source::attributes(fd->get());
    if (!attributes) {
      return std::unexpected(attributes.error());
    }
    if (mmapdirfs::identity_of(*attributes) != step.identity ||
        birth_of(*attributes) != step.birth) {
      return std::unexpected(stale());
    }
    mount = source_.mount_of(*attributes);
  }
  std::optional<SharedFd> evicted;  // closed after the lock is dropped
  {
    auto state = state_.lock();
    if (state->inodes.find(step.node) != nullptr) {
      evicted = remember_descriptor(*state, step.node, fd, mount);
    }
  }
  note_held(mount);
  return fd;
}

// Answers the descriptor that had to make room, for the caller to drop without the lock.
std::optional<SharedFd> InodeTable::remember_descriptor(State& state, NodeId node, SharedFd fd,
                                                        std::uint32_t mount) const {
  if (!fd || fd->get() >= descriptor_limit_) {
    return std::nullopt;
  }
  if (mount == kRootMount) {
    return state.descriptors.insert(node, std::move(fd));
  }
  return notice_ != nullptr ? state.nested.insert(node, std::move(fd)) : std::nullopt;
}

// Closed after the lock is dropped, as elsewhere.
void InodeTable::drop_descriptors() {
  const auto dropped = state_.lock()->descriptors.take_all();
  const auto dropped_nested = state_.lock()->nested.take_all();
}

bool InodeTable::is_nested(NodeId node) const {
  auto state = state_.lock();
  const InodeRecord* known = state->inodes.find(node);
  return known != nullptr && known->mount != kRootMount;
}

void InodeTable::hold(NodeId node, SharedFd fd) {
  if (notice_ != nullptr) {
    const auto gone = state_.lock()->nested.insert(node, std::move(fd));
    notice_->note();
  }
}

bool InodeTable::let_go_of_nested(PassingMap<NodeId, SharedFd>::Clock::time_point unused_since) {
  std::vector<SharedFd> dropped;  // closed after the lock is dropped
  auto state = state_.lock();
  dropped = state->nested.take_unused_since(unused_since);
  return state->nested.size() > 0;
}

// What is on the root's device as well can be reached by the root's mount, and stays what it is.
std::vector<NodeId> InodeTable::give_up(const std::set<std::uint64_t>& mounts) {
  std::vector<NodeId> given_up;
  auto state = state_.lock();
  const dev_t root_device = state->inodes.find(kRootNode)->identity.device;
  for (const NodeId node : state->inodes.nodes()) {
    InodeRecord& known = *state->inodes.find(node);
    if (known.mount != kRootMount && mounts.contains(known.mount)) {
      given_up.push_back(node);
      if (known.identity.device != root_device) {
        known.is_watched = false;
        state->inodes.give_up_identity(known);
      }
    }
  }
  return given_up;
}

bool InodeTable::exchange_version(NodeId node, std::uint64_t version) {
  auto state = state_.lock();
  InodeRecord* known = state->inodes.find(node);
  if (known == nullptr) {
    return false;
  }
  return std::exchange(known->version, version) == version && version != 0;
}

std::uint64_t InodeTable::named_at(NodeId node) const {
  auto state = state_.lock();
  const InodeRecord* known = state->inodes.find(node);
  return known == nullptr ? 0 : known->named_at;
}

std::uint64_t InodeTable::now() const { return state_.lock()->clock; }

std::vector<NodeId> InodeTable::find(std::string_view handle) const {
  const std::uint64_t hash = hash_of_handle(handle);
  return state_.lock()->inodes.find_by_handle(hash);
}

NodeId InodeTable::node_of(const SourceIdentity& identity) const {
  auto state = state_.lock();
  const InodeRecord* known = state->inodes.find(identity);
  return known == nullptr ? kNoNode : known->node;
}

std::optional<SourceIdentity> InodeTable::identity_of(NodeId node) const {
  auto state = state_.lock();
  const InodeRecord* known = state->inodes.find(node);
  return known == nullptr ? std::nullopt : std::optional(known->identity);
}

NodeId InodeTable::parent_of(NodeId node) const {
  auto state = state_.lock();
  const InodeRecord* known = state->inodes.find(node);
  return known == nullptr ? kNoNode : known->parent;
}

std::vector<KnownName> InodeTable::names_of(std::span<const NodeId> nodes) const {
  std::vector<KnownName> names;
  names.reserve(nodes.size());
  auto state = state_.lock();
  for (const NodeId node : nodes) {
    const InodeRecord* known = state->inodes.find(node);
    if (known != nullptr && node != kRootNode && !name_of(*known).empty()) {
      names.push_back({.parent = known->parent, .name = std::string(name_of(*known))});
    }
  }
  return names;
}

bool InodeTable::is_known_as(NodeId node, NodeId parent, std::string_view name) const {
  auto state = state_.lock();
  const InodeRecord* known = state->inodes.find(node);
  return known != nullptr && known->parent == parent && name_of(*known) == name;
}

std::vector<NodeId> InodeTable::directories() const {
  std::vector<NodeId> found;
  auto state = state_.lock();
  for (const NodeId node : state->inodes.nodes()) {
    if (state->inodes.find(node)->is_directory) {
      found.push_back(node);
    }
  }
  return found;
}

bool InodeTable::is_watched(NodeId node) const {
  auto state = state_.lock();
  const InodeRecord* known = state->inodes.find(node);
  return known != nullptr && known->is_watched;
}

void InodeTable::set_watched(NodeId node, bool watched) {
  auto state = state_.lock();
  if (InodeRecord* known = state->inodes.find(node)) {
    known->is_watched = watched;
  }
}

bool InodeTable::is_known(NodeId node) const {
  auto state = state_.lock();
  const InodeRecord* known = state->inodes.find(node);
  return known != nullptr && !known->is_forgotten;
}

std::vector<NodeId> InodeTable::nodes() const { return state_.lock()->inodes.nodes(); }

std::size_t InodeTable::size() const {
  auto state = state_.lock();
  return state->inodes.size() - state->forgotten_count;
}

}  // namespace mmapdirfs
