// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "support/process.h"

namespace mmapdir::test {

// A file system in a file, mounted through a loop device for as long as the object lives. A
// resource type.
class DiskImage {
 public:
  // Mounts what `image` holds.
  DiskImage(const std::filesystem::path& image, const std::filesystem::path& where,
            const std::string& options = "loop");

  // A new image, made by mkfs.TYPE with further arguments.
  static void make(const std::filesystem::path& image, std::uintmax_t size, const std::string& type,
                   const std::vector<std::string>& arguments = {});

  DiskImage(const DiskImage&) = delete;
  DiskImage& operator=(const DiskImage&) = delete;
  ~DiskImage();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  // No request is on its way to the image. What the file system hasn't written yet stays in memory.
  bool is_idle() const;

 private:
  std::filesystem::path path_;
};

// Runs a program that has to succeed for the test to mean anything.
void must_run(const std::vector<std::string>& command);

// As requirements.h has them: root, loop devices, mkfs.TYPE
// (mksquashfs for squashfs) and that file system in the kernel.
void require_disk_images(const std::string& type);

}  // namespace mmapdir::test
