// SPDX-License-Identifier: MIT
#include "fs/handle_table.h"

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <memory>
#include <string>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

TEST_CASE("Each handle leads to its own object", "[handles]") {
  HandleTable<std::string> table;
  const HandleId one = table.insert(std::make_shared<std::string>("one"));
  const HandleId two = table.insert(std::make_shared<std::string>("two"));
  CHECK(one != two);
  CHECK(*table.find(one).value() == "one");
  CHECK(*table.find(two).value() == "two");
  CHECK(table.size() == 2);
}

TEST_CASE("A handle that isn't open is EBADF", "[handles]") {
  HandleTable<std::string> table;
  const HandleId handle = table.insert(std::make_shared<std::string>());
  table.remove(handle);
  CHECK(errno_of(table.find(handle)) == EBADF);
  CHECK(errno_of(table.find(HandleId{0})) == EBADF);
  CHECK(table.remove(handle) == nullptr);
  CHECK(table.size() == 0);
}

TEST_CASE("A handle is never given out twice", "[handles]") {
  HandleTable<std::string> table;
  const HandleId first = table.insert(std::make_shared<std::string>());
  table.remove(first);
  CHECK(table.insert(std::make_shared<std::string>()) > first);
}

TEST_CASE("Who found an object keeps it across its removal", "[handles]") {
  HandleTable<std::string> table;
  const HandleId handle = table.insert(std::make_shared<std::string>("held"));
  auto held = table.find(handle).value();
  const std::weak_ptr<std::string> watched = held;
  table.remove(handle);
  CHECK(*held == "held");
  held.reset();
  CHECK(watched.expired());
}

}  // namespace
}  // namespace mmapdirfs::test
