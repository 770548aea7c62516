// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client.h"
#include "operation.h"
#include "support/mount.h"
#include "support/temporary_directory.h"
#include "support/unique_fd.h"

namespace mmapdir::test {

// Where the mount parted from the plain directory.
struct Difference {
  std::size_t step;
  std::string text;
};

// A mount, and a plain directory that is to stay the same as it. A resource type.
class Model {
 public:
  struct Setup {
    std::vector<std::string> options;
    Mappings mappings;
    std::vector<std::optional<User>> clients;  // who they are
    std::optional<User> daemon{};
  };

  explicit Model(Setup setup);

  // Carries the operations out in directories of their own, and compares the trees at the end.
  std::optional<Difference> run(const std::vector<Operation>& operations);

 private:
  struct Trees {
    Roots roots;
    std::filesystem::path on_source;
    std::filesystem::path beneath_mounts;  // the plain directory without what is mounted in it
  };

  Trees make_trees();
  std::optional<Difference> run_in(const Trees& trees, const std::vector<Operation>& operations);
  std::optional<Difference> run_with(std::vector<std::unique_ptr<Client>>& clients,
                                     const Trees& trees, const std::vector<Operation>& operations);
  std::optional<std::string> carry_out(const Operation& operation, const Trees& trees,
                                       std::vector<std::unique_ptr<Client>>& clients);
  std::optional<std::string> compare(const Trees& trees, Client& client,
                                     const std::vector<std::unique_ptr<Client>>& clients) const;
  void make_kernel_forget(std::uint64_t number) const;

  Setup setup_;
  TemporaryDirectory plain_;
  TemporaryDirectory source_;
  Mount mount_;
  UniqueFd beneath_mounts_;  // of plain_
  int runs_ = 0;
};

}  // namespace mmapdir::test
