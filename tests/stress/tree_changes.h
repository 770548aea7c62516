// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace mmapdir::test {

// Makes changes of all kinds in a tree, at random: most of them where something is, some where
// nothing is, which then change nothing. A value type.
class TreeChanges {
 public:
  // `outside`: a directory of the same file system, through which files leave and come back.
  TreeChanges(std::filesystem::path root, std::filesystem::path outside, std::uint32_t seed);

  void step();

  unsigned steps() const { return steps_; }

 private:
  using Change = void (TreeChanges::*)();
  struct Kind;
  static const std::vector<Kind>& kinds();

  unsigned below(unsigned end);
  std::filesystem::path directory();
  std::filesystem::path file();
  std::string bytes();

  void create();
  void append();
  void truncate();
  void write_in_place();
  void replace();
  void exchange();
  void remove();
  void change_mode();
  void set_times();
  void make_directory();
  void remove_directory();
  void rename_directory();
  void move();
  void leave();
  void change_outside();
  void come_back();
  void link();
  void make_symlink();
  void flip();
  void publish();

  std::filesystem::path root_;
  std::filesystem::path outside_;
  std::mt19937 random_;
  unsigned steps_ = 0;
  unsigned published_ = 0;
};

// A path of the kind that the changes are about, which may exist or not.
std::filesystem::path some_path(const std::filesystem::path& root, std::mt19937& random);

// `segments_N` in the directory `index` holds these bytes, from when its name is there.
std::string segment_bytes(unsigned number);

}  // namespace mmapdir::test
