// SPDX-License-Identifier: MIT
#include "model_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "support/files.h"

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

}  // namespace

Model::Model(Setup setup)
    : setup_(std::move(setup)),
      mount_(source_.path(), {.options = setup_.options, .user = setup_.daemon}) {}

Model::Trees Model::make_trees() {
  const std::string name = std::to_string(++runs_);
  for (const auto& parent : {plain_.path(), source_.path()}) {
    must(::mkdir((parent / name).c_str(), 0777), "mkdir");
    must(::chmod((parent / name).c_str(), 0777), "chmod");
    if (setup_.daemon) {
      must(::chown((parent / name).c_str(), setup_.daemon->uid, setup_.daemon->gid), "chown");
    }
  }
  return {.roots = {.plain = plain_ / name, .mounted = mount_ / name}, .on_source = source_ / name};
}

std::optional<Difference> Model::run(const std::vector<Operation>& operations) {
  const Trees trees = make_trees();
  std::vector<std::unique_ptr<Client>> clients;
  clients.reserve(setup_.clients.size());
  for (const auto& user : setup_.clients) {
    clients.push_back(std::make_unique<Client>(trees.roots, setup_.mappings, user));
  }
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
    client.reset();  // before the next one begins
    client =
        std::make_unique<Client>(trees.roots, setup_.mappings, setup_.clients.at(operation.client));
    return std::nullopt;
  }
  if (operation.kind == kForget) {
    make_kernel_forget();
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
  const auto apart =
      line_apart(describe_world(trees.roots.plain, times), describe_world(trees.on_source, times));
  return apart.empty() ? std::nullopt : std::optional("trees, on the source\n" + apart);
}

// A remount drops the names that nobody uses, and the inodes with them.
void Model::make_kernel_forget() const {
  must(::mount(nullptr, mount_.root().c_str(), nullptr, MS_REMOUNT | MS_NOSUID | MS_NODEV, nullptr),
       "remount");
}

}  // namespace mmapdir::test
