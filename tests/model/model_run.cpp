// SPDX-License-Identifier: MIT
#include "model_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "support/control_client.h"
#include "support/files.h"
#include "support/kernel_mount.h"

namespace mmapdir::test {
namespace {

// The first line in which two texts differ.
std::string line_apart(const std::string& plain, const std::string& other) {
  std::istringstream expected(plain);
  std::istringstream actual(other);
  while (expected || actual) {
    std::string ought;
    std::string is;
    std::getline(expected, ought);
    std::getline(actual, is);
    if (is != ought) {
      return fmt::format("  plain: {}\n  here:  {}", ought, is);
    }
  }
  return {};
}

// The directory as it is without what is mounted in it, now or later.
UniqueFd view_without_mounts(const std::filesystem::path& directory) {
  UniqueFd view(must(::open_tree(AT_FDCWD, directory.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC),
                     "open_tree"));
  mount_attr change{};
  change.propagation = MS_PRIVATE;
  must(::mount_setattr(view.get(), "", AT_EMPTY_PATH, &change, sizeof change), "mount_setattr");
  return view;
}

void unmount_all_beneath(const std::filesystem::path& directory) {
  for (const std::string& path : mounts_under(directory) | std::views::reverse) {
    if (path != directory) {
      must(::umount2(path.c_str(), MNT_DETACH), "umount " + path);
    }
  }
}

}  // namespace

Model::Model(Setup setup)
    : setup_(std::move(setup)),
      mount_(source_.path(), {.options = setup_.options, .user = setup_.daemon}),
      beneath_mounts_(view_without_mounts(plain_.path())) {}

Model::Trees Model::make_trees() {
  const std::string name = std::to_string(++runs_);
  for (const auto& parent : {plain_.path(), source_.path()}) {
    must(::mkdir((parent / name).c_str(), 0777), "mkdir");
    must(::chmod((parent / name).c_str(), 0777), "chmod");
    if (setup_.daemon) {
      must(::chown((parent / name).c_str(), setup_.daemon->uid, setup_.daemon->gid), "chown");
    }
  }
  return {.roots = {.plain = plain_ / name, .mounted = mount_ / name},
          .on_source = source_ / name,
          .beneath_mounts = fmt::format("/proc/self/fd/{}/{}", beneath_mounts_.get(), name)};
}

std::optional<Difference> Model::run(const std::vector<Operation>& operations) {
  auto difference = run_in(make_trees(), operations);
  unmount_all_beneath(plain_.path());
  unmount_all_beneath(mount_.root());
  return difference;
}

std::optional<Difference> Model::run_in(const Trees& trees,
                                        const std::vector<Operation>& operations) {
  std::vector<std::unique_ptr<Client>> clients;
  clients.reserve(setup_.clients.size());
  for (const auto& user : setup_.clients) {
    clients.push_back(std::make_unique<Client>(trees.roots, setup_.mappings, user));
  }
  auto difference = run_with(clients, trees, operations);
  for (const auto& client : clients) {
    client->ask({.kind = kEndChild});  // which would keep the mount busy for a moment
  }
  return difference;
}

std::optional<Difference> Model::run_with(std::vector<std::unique_ptr<Client>>& clients,
                                          const Trees& trees,
                                          const std::vector<Operation>& operations) {
  for (std::size_t step = 0; step < operations.size(); ++step) {
    if (auto apart = carry_out(operations[step], trees, clients)) {
      return Difference{.step = step, .text = *std::move(apart)};
    }
  }
  if (auto apart = compare(trees, *clients.front(), clients)) {
    return Difference{.step = operations.size(), .text = *std::move(apart)};
  }
  return std::nullopt;
}

std::optional<std::string> Model::carry_out(const Operation& operation, const Trees& trees,
                                            std::vector<std::unique_ptr<Client>>& clients) {
  std::unique_ptr<Client>& client = clients.at(operation.client);
  if (operation.kind == kCrash) {
    client->ask({.kind = kEndChild});  // which would go a moment later by itself
    client.reset();                    // before the next one begins
    client =
        std::make_unique<Client>(trees.roots, setup_.mappings, setup_.clients.at(operation.client));
    return std::nullopt;
  }
  if (operation.kind == kForget) {
    make_kernel_forget(operation.number);
    return std::nullopt;
  }
  if (operation.kind == kCompare) {
    return compare(trees, *client, clients);
  }
  const Answers answers = client->ask(operation);
  if (answers.plain == answers.mounted) {
    return std::nullopt;
  }
  return fmt::format("{}\n  plain: {}\n  here:  {}", to_string(operation), answers.plain,
                     answers.mounted);
}

// On the mount as the client sees it, and on the source.
std::optional<std::string> Model::compare(
    const Trees& trees, Client& client, const std::vector<std::unique_ptr<Client>>& clients) const {
  for (const auto& each : clients) {
    each->ask({.kind = kSyncAllMapped});
  }
  const Answers seen = client.ask({.kind = kCompare});
  if (const auto apart = line_apart(seen.plain, seen.mounted); !apart.empty()) {
    return "trees, on the mount\n" + apart;
  }
  const auto times = setup_.mappings == Mappings::kNone ? Times::kCompared : Times::kLeftOut;
  const auto apart = line_apart(describe_world(trees.beneath_mounts, times),
                                describe_world(trees.on_source, times));
  return apart.empty() ? std::nullopt : std::optional("trees, on the source\n" + apart);
}

// A remount drops the names that nobody uses, and the inodes with them; clearing the cache makes
// the kernel ask anew for the others as well.
void Model::make_kernel_forget(std::uint64_t number) const {
  if (number % 2 == 0 && !setup_.daemon) {
    const auto answers = control(mount_.root(), "clear-cache");
    if (!answers.ends_with(kDone)) {
      throw std::runtime_error("clear-cache says " + answers);
    }
    return;
  }
  must(::mount(nullptr, mount_.root().c_str(), nullptr, MS_REMOUNT | MS_NOSUID | MS_NODEV, nullptr),
       "remount");
}

}  // namespace mmapdir::test
