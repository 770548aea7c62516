// SPDX-License-Identifier: MIT
#include "support/requirements.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "support/disk_image.h"
#include "support/process.h"
#include "support/strace.h"
#include "support/unique_fd.h"

namespace mmapdir::test {
namespace {

void require(bool there, const std::string& reason) {
  if (there) {
    return;
  }
  if (environment("CI")) {
    FAIL("CI is set, so this must run: " << reason);
  }
  skip(reason);
}

std::pair<int, int> kernel_version() {
  utsname name{};
  ::uname(&name);
  std::istringstream release(name.release);
  std::pair<int, int> version;
  char point = 0;
  release >> version.first >> point >> version.second;
  return version;
}

// Debian keeps the kernel's configuration there. Where it can't be read, the version has to do.
bool kernel_configured_without(const std::string& option) {
  utsname name{};
  ::uname(&name);
  std::ifstream config(fmt::format("/boot/config-{}", name.release));
  for (std::string line; std::getline(config, line);) {
    if (line == fmt::format("# {} is not set", option)) {
      return true;
    }
  }
  return false;
}

std::string read_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

bool is_set_user_id_program(const char* path) {
  struct stat found{};
  return ::stat(path, &found) == 0 && (found.st_mode & S_ISUID) != 0 && found.st_uid == 0;
}

bool has_program(const std::string& name) {
  std::istringstream path(environment("PATH").value_or("/usr/sbin:/usr/bin:/sbin:/bin"));
  for (std::string directory; std::getline(path, directory, ':');) {
    if (::access(fmt::format("{}/{}", directory, name).c_str(), X_OK) == 0) {
      return true;
    }
  }
  return false;
}

bool kernel_has_file_system(const std::string& type) {
  std::ifstream known("/proc/filesystems");
  for (std::string word; known >> word;) {
    if (word == type) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<std::string> environment(const char* name) {
  // The tests never change their own environment.
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value != nullptr && *value != '\0' ? std::optional<std::string>(value) : std::nullopt;
}

void skip(const std::string& reason) {
  SKIP(reason);
  std::unreachable();
}

void require_root() { require(::geteuid() == 0, "this needs root"); }

void require_fuse() {
  // A container's /dev/fuse is often for root alone; udev makes it 0666 everywhere else.
  struct stat found{};
  if (::geteuid() == 0 && ::stat("/dev/fuse", &found) == 0 && (found.st_mode & 0666U) != 0666U) {
    ::chmod("/dev/fuse", 0666);
  }
  const UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  const int error = errno;
  require(static_cast<bool>(device), fmt::format("/dev/fuse can't be opened: errno {}", error));
}

void require_passthrough() {
  require(::geteuid() == 0, "passthrough needs root (CAP_SYS_ADMIN)");
  require(kernel_version() >= std::pair(6, 9), "passthrough needs Linux 6.9");
  require(!kernel_configured_without("CONFIG_FUSE_PASSTHROUGH"),
          "this kernel is built without CONFIG_FUSE_PASSTHROUGH");
}

void require_io_uring() {
  require(::geteuid() == 0, "allowing io_uring in the fuse module needs root");
  const char* const parameter = "/sys/module/fuse/parameters/enable_uring";
  std::ofstream(parameter) << "1";
  require(read_line(parameter) == "Y", "FUSE over io_uring needs Linux 6.14");
}

void require_idmapped_fuse() {
  require(::geteuid() == 0, "idmapping a mount needs root");
  require(kernel_version() >= std::pair(6, 12), "idmapping a FUSE mount needs Linux 6.12");
  require(!kernel_configured_without("CONFIG_USER_NS"),
          "this kernel is built without CONFIG_USER_NS");
}

void require_strace() {
  require(::geteuid() == 0, "watching the daemon needs root");
  require(has_program("strace"), "strace isn't there (package strace)");
}

void require_disk_images(const std::string& type) {
  require(::geteuid() == 0, "mounting an image needs root");
  struct stat found{};
  require(::stat("/dev/loop-control", &found) == 0, "this machine has no loop devices");
  const std::string maker = type == "squashfs" ? "mksquashfs" : "mkfs." + type;
  require(has_program(maker), maker + " isn't there");
  // A module that isn't loaded yet isn't listed.
  require(kernel_has_file_system(type) ||
              (has_program("modprobe") && run({"modprobe", "-q", type}).status == 0),
          "this kernel has no " + type);
}

bool has_sanitizer() { return !std::string_view(MMAPDIRFS_SANITIZERS).empty(); }

void require_no_undefined_sanitizer() {
  if (std::string_view(MMAPDIRFS_SANITIZERS).contains("undefined")) {
    skip("the sanitizer for undefined behaviour needs free descriptors itself");
  }
}

void require_ordinary_user() {
  require_fuse();
  require(::geteuid() == 0, "becoming an ordinary user needs root");
  require(
      is_set_user_id_program("/usr/bin/fusermount3") || is_set_user_id_program("/bin/fusermount3"),
      "an ordinary user mounts through fusermount3, set-user-id root (package fuse3)");
}

}  // namespace mmapdir::test
