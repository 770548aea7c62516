// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>

#include "operation.h"
#include "support/process.h"
#include "support/unique_fd.h"
#include "world.h"

namespace mmapdir::test {

struct Answers {
  std::string plain;
  std::string mounted;
};

struct Roots {
  std::filesystem::path plain;
  std::filesystem::path mounted;
};

// A process that carries each operation out twice: in a plain directory and on the mount. A
// resource type: it is killed with its object, whatever it holds.
class Client {
 public:
  Client(const Roots& roots, Mappings mappings, std::optional<User> user);

  // Throws where no answer comes.
  Answers ask(const Operation& operation);

 private:
  Client(const Roots& roots, Mappings mappings, std::optional<User> user,
         std::array<UniqueFd, 2> ends);

  std::string receive();

  UniqueFd channel_;
  Process process_;
};

}  // namespace mmapdir::test
