// SPDX-License-Identifier: MIT
#include "support/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

namespace mmapdir::test {

UniqueFd open_fd(const std::filesystem::path& path, int flags, mode_t mode) {
  return UniqueFd(must(::open(path.c_str(), flags | O_CLOEXEC, mode), "open " + path.string()));
}

std::string pattern(std::size_t size, std::uint32_t seed) {
  std::string bytes(size, '\0');
  std::uint32_t state = (seed * 2654435761U) | 1U;
  for (char& byte : bytes) {
    // xorshift32 (Marsaglia 2003): cheap, and its period is far beyond any file here.
    state ^= state << 13U;
    state ^= state >> 17U;
    state ^= state << 5U;
    byte = static_cast<char>(state >> 24U);
  }
  return bytes;
}

void write_at(int fd, std::string_view content, off_t offset) {
  while (!content.empty()) {
    const ssize_t written = must(::pwrite(fd, content.data(), content.size(), offset), "pwrite");
    content.remove_prefix(static_cast<std::size_t>(written));
    offset += written;
  }
}

void write_file(const std::filesystem::path& path, std::string_view content, mode_t mode) {
  const UniqueFd fd = open_fd(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  write_at(fd.get(), content, 0);
  must(::fchmod(fd.get(), mode), "fchmod " + path.string());
}

std::string read_at(int fd, std::size_t size, off_t offset) {
  std::string bytes(size, '\0');
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t got =
        must(::pread(fd, bytes.data() + filled, size - filled, offset + static_cast<off_t>(filled)),
             "pread");
    if (got == 0) {
      break;
    }
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

std::string read_file(const std::filesystem::path& path) {
  const UniqueFd fd = open_fd(path, O_RDONLY);
  std::string content;
  constexpr std::size_t kPiece = 1U << 18U;
  for (;;) {
    const std::string piece = read_at(fd.get(), kPiece, static_cast<off_t>(content.size()));
    content += piece;
    if (piece.size() < kPiece) {
      return content;
    }
  }
}

std::string difference(std::string_view actual, std::string_view expected) {
  const auto [at, there] = std::ranges::mismatch(actual, expected);
  if (at != actual.end() && there != expected.end()) {
    return fmt::format("byte {} is {:#04x} and should be {:#04x}", at - actual.begin(),
                       static_cast<unsigned char>(*at), static_cast<unsigned char>(*there));
  }
  return actual.size() == expected.size()
             ? std::string()
             : fmt::format("{} bytes and should be {}", actual.size(), expected.size());
}

std::string attributes(const std::filesystem::path& path) {
  struct stat found{};
  must(::lstat(path.c_str(), &found), "lstat " + path.string());
  return fmt::format(
      "mode={:o} uid={} gid={} nlink={} ino={} size={} blocks={} rdev={} mtime={}.{:09} "
      "ctime={}.{:09}",
      found.st_mode, found.st_uid, found.st_gid, found.st_nlink, found.st_ino, found.st_size,
      found.st_blocks, found.st_rdev, found.st_mtim.tv_sec, found.st_mtim.tv_nsec,
      found.st_ctim.tv_sec, found.st_ctim.tv_nsec);
}

std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> make_files_of_each_size(const std::filesystem::path& directory) {
  constexpr std::array<std::size_t, 8> kSizes{0,    1,           4095,    4096,
                                              4097, 1048576 - 1, 1048576, 1048576 + 1};
  std::vector<std::string> names;
  for (const std::size_t size : kSizes) {
    names.push_back(fmt::format("{}-bytes", size));
    write_file(directory / names.back(), pattern(size, static_cast<std::uint32_t>(size)));
  }
  return names;
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

}  // namespace mmapdir::test
