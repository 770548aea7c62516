// SPDX-License-Identifier: MIT
#include "client.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <utility>

#include "lock_answers.h"
#include "support/files.h"
#include "support/mount.h"

namespace mmapdir::test {
namespace {

std::array<UniqueFd, 2> make_channel() {
  std::array<int, 2> ends{};
  must(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void send_text(int channel, const std::string& text) {
  const std::size_t size = text.size();
  must(::send(channel, &size, sizeof size, MSG_NOSIGNAL), "send");
  for (std::size_t sent = 0; sent < size;) {
    sent += static_cast<std::size_t>(
        must(::send(channel, text.data() + sent, size - sent, MSG_NOSIGNAL), "send"));
  }
}

// What was written to mappings is to be on the source as well. syncfs wouldn't do: of FUSE the
// kernel doesn't wait for what it writes back (fs/fs-writeback.c, Linux 6.18 with commit
// f9a49aa302a0). What isn't mapped any more was written, and waited for, when it was unmapped
// (fuse_vma_close).
std::string sync_all_mapped(World& world) {
  for (const SharedMapping& mapping : world.mappings) {
    if (mapping) {
      // It may fail on either side: a file made shorter is no whole mapping.
      (void)::msync(mapping.bytes(), mapping.size(), MS_SYNC);
    }
  }
  return {};
}

class Server {
 public:
  Server(const Roots& roots, Mappings mappings)
      : mappings_(mappings), plain_(roots.plain), mounted_(roots.mounted) {}

  int serve(int channel) {
    Operation operation{};
    while (::recv(channel, &operation, sizeof operation, MSG_WAITALL) == sizeof operation) {
      if (operation.kind == kFork || operation.kind == kEndChild) {
        change_child(operation.kind, channel);
      }
      const std::string plain = carry_out(plain_, operation);
      std::string mounted = carry_out(mounted_, operation);
      if (plain != mounted && finds_lock(mounted)) {  // see lock_operations.cpp
        eventually([&] { return (mounted = carry_out(mounted_, operation)) == plain; });
      }
      send_text(channel, plain);
      send_text(channel, mounted);
    }
    return 0;
  }

 private:
  std::string carry_out(World& world, const Operation& operation) const {
    if (operation.kind == kFork || operation.kind == kEndChild) {
      return {};
    }
    if (operation.kind == kSyncAllMapped) {
      return sync_all_mapped(world);
    }
    if (operation.kind == kCompare) {
      return describe_world(world.path,
                            mappings_ == Mappings::kNone ? Times::kCompared : Times::kLeftOut);
    }
    const Kinds& kinds = kinds_of(mappings_);
    return std::ranges::find(kinds, operation.kind, &Kind::name)->carry_out(world, operation);
  }

  void change_child(std::string_view kind, int channel) {
    child_.reset();
    if (kind == kFork) {
      child_.emplace(Process::call([channel] {
        ::close(channel);
        (void)std::signal(SIGTERM, SIG_DFL);  // by which it goes with its parent
        while (true) {
          ::pause();
        }
        return 0;
      }));
    }
  }

  Mappings mappings_;
  World plain_;
  World mounted_;
  std::optional<Process> child_;
};

}  // namespace

Client::Client(const Roots& roots, Mappings mappings, std::optional<User> user)
    : Client(roots, mappings, user, make_channel()) {}

Client::Client(const Roots& roots, Mappings mappings, std::optional<User> user,
               std::array<UniqueFd, 2> ends)
    : channel_(std::move(ends[0])),
      process_(Process::call(
          [&] {
            channel_.reset();  // the caller's end, whose closing is to be noticed
            return Server(roots, mappings).serve(ends[1].get());
          },
          {.user = user})) {}

Answers Client::ask(const Operation& operation) {
  must(::send(channel_.get(), &operation, sizeof operation, MSG_NOSIGNAL), "send");
  std::string plain = receive();
  return {.plain = std::move(plain), .mounted = receive()};
}

std::string Client::receive() {
  pollfd ready{.fd = channel_.get(), .events = POLLIN, .revents = 0};
  const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(2 * kPatience);
  if (must(::poll(&ready, 1, static_cast<int>(patience.count())), "poll") == 0) {
    throw std::runtime_error("a client doesn't answer");
  }
  std::size_t size = 0;
  if (::recv(channel_.get(), &size, sizeof size, MSG_WAITALL) != sizeof size) {
    throw std::runtime_error("a client is gone");
  }
  std::string text(size, '\0');
  if (size > 0 &&
      ::recv(channel_.get(), text.data(), size, MSG_WAITALL) != static_cast<ssize_t>(size)) {
    throw std::runtime_error("a client stopped in its answer");
  }
  return text;
}

}  // namespace mmapdir::test
