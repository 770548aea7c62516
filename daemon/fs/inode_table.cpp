// SPDX-License-Identifier: MIT
#include "fs/inode_table.h"

#include <algorithm>
#include <cerrno>
#include <ranges>
#include <utility>

namespace mmapdirfs {
namespace {

SourceIdentity identity_of(const Attributes& attributes) {
  return {.device = device_of(attributes), .inode = attributes.stx_ino};
}

// Nanoseconds since the epoch; zero where the file system doesn't keep birth times. Unsigned until
// the end, since it is only compared and a server may put any time there.
std::int64_t birth_of(const Attributes& attributes) {
  if ((attributes.stx_mask & STATX_BTIME) == 0) {
    return 0;
  }
  const auto seconds = static_cast<std::uint64_t>(attributes.stx_btime.tv_sec);
  return static_cast<std::int64_t>((seconds * 1'000'000'000U) + attributes.stx_btime.tv_nsec);
}

Error stale() { return Error::from_errno(ESTALE, "find the file again"); }

}  // namespace

InodeTable::InodeTable(const Source& source, const Attributes& root, std::size_t descriptors,
                       int descriptor_limit)
    : source_(source),
      max_descriptors_(std::max<std::size_t>(descriptors, 1)),
      descriptor_limit_(descriptor_limit) {
  auto state = state_.lock();
  const SourceIdentity identity = identity_of(root);
  state->inodes.emplace(kRootNode, Inode{.identity = identity,
                                         .locator = {},
                                         .parent = kRootNode,
                                         .birth = birth_of(root),
                                         .lookups = 1,
                                         .version = 0,
                                         .named_at = 1});
  state->by_identity.emplace(identity, kRootNode);
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
  auto locator = source_.locate(fd, name);
  if (!locator) {
    return std::unexpected(locator.error());
  }
  const NodeId node = intern(parent, *attributes, std::move(*locator), std::move(descriptor));
  return Entry{.node = node, .attributes = *attributes};
}

void InodeTable::note_name(NodeId parent, int parent_fd, const char* name) {
  if (goes_by_handle(parent)) {
    return;  // so does what is in it, whatever it is called
  }
  const auto fd = source_.open_child(parent_fd, name);
  const auto attributes = fd ? Source::attributes(fd->get()) : std::unexpected(fd.error());
  auto locator = fd ? source_.locate(fd->get(), name) : std::unexpected(fd.error());
  if (!attributes || !locator || locator->is_handle) {
    return;  // gone again, or found without its name
  }
  auto state = state_.lock();
  const auto found = state->by_identity.find(identity_of(*attributes));
  if (found == state->by_identity.end() || found->second == kRootNode) {
    return;
  }
  Inode& known = state->inodes.at(found->second);
  if (known.birth == birth_of(*attributes)) {
    known.locator = std::move(*locator);
    known.parent = parent;
  }
}

bool InodeTable::goes_by_handle(NodeId node) const {
  auto state = state_.lock();
  const auto found = state->inodes.find(node);
  return node == kRootNode ? source_.has_handles()
                           : found != state->inodes.end() && found->second.locator.is_handle;
}

// A handle carries the inode's generation. Where files go by name the birth time tells a recycled
// inode number; the locators differ with each hard link and each rename.
bool InodeTable::is_same_file(const Inode& known, const Locator& locator, std::int64_t birth) {
  if (known.locator.is_handle && locator.is_handle) {
    return known.locator.key == locator.key;
  }
  return known.birth == birth;
}

NodeId InodeTable::intern(NodeId parent, const Attributes& attributes, Locator locator,
                          SharedFd fd) {
  const SourceIdentity identity = identity_of(attributes);
  const std::int64_t birth = birth_of(attributes);
  SharedFd evicted;  // closed after the lock is dropped
  auto state = state_.lock();
  const std::uint64_t named_at = attributes.stx_nlink > 0 ? ++state->clock : 0;
  if (const auto found = state->by_identity.find(identity); found != state->by_identity.end()) {
    Inode& known = state->inodes.at(found->second);
    if (found->second == kRootNode || is_same_file(known, locator, birth)) {
      ++known.lookups;
      known.named_at = std::max(known.named_at, named_at);
      if (!locator.is_handle && found->second != kRootNode) {
        known.locator = std::move(locator);  // the name it was seen under last
        known.parent = parent;
      }
      evicted = remember_descriptor(*state, found->second, std::move(fd));
      return found->second;
    }
    // The number was recycled: the old inode lives on under its node until it is forgotten.
    state->by_identity.erase(found);
  }
  const NodeId node{++state->last_node};
  state->inodes.emplace(node, Inode{.identity = identity,
                                    .locator = std::move(locator),
                                    .parent = parent,
                                    .birth = birth,
                                    .lookups = 1,
                                    .version = 0,
                                    .named_at = named_at});
  state->by_identity.emplace(identity, node);
  evicted = remember_descriptor(*state, node, std::move(fd));
  return node;
}

std::optional<SourceIdentity> InodeTable::forget(NodeId node, std::uint64_t count) {
  SharedFd dropped;  // closed after the lock is dropped
  auto state = state_.lock();
  const auto found = state->inodes.find(node);
  if (node == kRootNode || found == state->inodes.end()) {
    return std::nullopt;
  }
  Inode& inode = found->second;
  inode.lookups -= std::min(count, inode.lookups);
  if (inode.lookups > 0) {
    return std::nullopt;
  }
  std::optional<SourceIdentity> gone;
  if (const auto known = state->by_identity.find(inode.identity);
      known != state->by_identity.end() && known->second == node) {
    gone = inode.identity;
    state->by_identity.erase(known);
  }
  if (const auto cached = state->by_node.find(node); cached != state->by_node.end()) {
    dropped = std::move(cached->second->second);
    state->recent.erase(cached->second);
    state->by_node.erase(cached);
  }
  state->inodes.erase(found);
  return gone;
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
    start = find_descriptor(*state, node);
    if (start) {
      return steps;
    }
    const auto found = state->inodes.find(node);
    // A cycle of parents can arise where directories are moved on the source; no honest chain is
    // longer than the table.
    if (found == state->inodes.end() || steps.size() > state->inodes.size()) {
      return std::unexpected(stale());
    }
    const Inode& inode = found->second;
    steps.push_back(
        {.node = node, .identity = inode.identity, .locator = inode.locator, .birth = inode.birth});
    if (inode.locator.is_handle) {
      return steps;
    }
    node = inode.parent;
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
  if (!step.locator.is_handle) {
    const auto attributes = Source::attributes(fd->get());
    if (!attributes) {
      return std::unexpected(attributes.error());
    }
    if (identity_of(*attributes) != step.identity || birth_of(*attributes) != step.birth) {
      return std::unexpected(stale());
    }
  }
  SharedFd evicted;  // closed after the lock is dropped
  auto state = state_.lock();
  if (state->inodes.contains(step.node)) {
    evicted = remember_descriptor(*state, step.node, fd);
  }
  return fd;
}

SharedFd InodeTable::find_descriptor(State& state, NodeId node) {
  const auto cached = state.by_node.find(node);
  if (cached == state.by_node.end()) {
    return nullptr;
  }
  state.recent.splice(state.recent.begin(), state.recent, cached->second);
  return cached->second->second;
}

// Answers the descriptor that had to make room, for the caller to drop without the lock.
SharedFd InodeTable::remember_descriptor(State& state, NodeId node, SharedFd fd) const {
  if (!fd || fd->get() >= descriptor_limit_) {
    return nullptr;
  }
  if (const auto cached = state.by_node.find(node); cached != state.by_node.end()) {
    state.recent.splice(state.recent.begin(), state.recent, cached->second);
    return std::exchange(cached->second->second, std::move(fd));
  }
  state.recent.emplace_front(node, std::move(fd));
  state.by_node.emplace(node, state.recent.begin());
  if (state.recent.size() <= max_descriptors_) {
    return nullptr;
  }
  SharedFd evicted = std::move(state.recent.back().second);
  state.by_node.erase(state.recent.back().first);
  state.recent.pop_back();
  return evicted;
}

void InodeTable::drop_descriptors() {
  Descriptors dropped;  // closed after the lock is dropped
  auto state = state_.lock();
  state->by_node.clear();
  dropped.swap(state->recent);
}

bool InodeTable::exchange_version(NodeId node, std::uint64_t version) {
  auto state = state_.lock();
  const auto found = state->inodes.find(node);
  if (found == state->inodes.end()) {
    return false;
  }
  return std::exchange(found->second.version, version) == version && version != 0;
}

std::uint64_t InodeTable::named_at(NodeId node) const {
  auto state = state_.lock();
  const auto found = state->inodes.find(node);
  return found == state->inodes.end() ? 0 : found->second.named_at;
}

std::uint64_t InodeTable::now() const { return state_.lock()->clock; }

std::size_t InodeTable::size() const { return state_.lock()->inodes.size(); }

}  // namespace mmapdirfs
