// SPDX-License-Identifier: MIT
//
// Writes a file into the directory that it is given, with a lock held, reads it
// back through memory and prints it.
#include <iostream>
#include <span>
#include <string>

#include "mmapdir/mmap_directory.h"

int main(int argc, char** argv) {
  auto directory = mmapdir::MmapDirectory::open(argc == 2 ? argv[1] : ".");
  if (!directory) {
    std::cerr << directory.error().message() << '\n';
    return 1;
  }
  const auto path = mmapdir::RelativePath::parse("consumer.txt").value();
  const std::string text = "hello from an installed mmapdir\n";
  const auto lock_file = mmapdir::RelativePath::parse("consumer.lock").value();
  const auto lock = directory->lock(lock_file, mmapdir::LockMode::kExclusive).value();
  auto writer = directory->create(path).value();
  writer.append(std::as_bytes(std::span(text))).value();
  writer.commit().value();
  const auto pattern = mmapdir::PathPattern::compile("*.txt").value();
  directory->warm({pattern}).value();
  if (directory->residency(path).value().resident_bytes != text.size()) {
    std::cerr << "not in memory after warming\n";
    return 1;
  }
  std::string read(text.size(), '\0');
  directory->open_read(path).value().read_at(0, std::as_writable_bytes(std::span(read))).value();
  std::cout << read;
}
