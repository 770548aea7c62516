// SPDX-License-Identifier: MIT
// A source that changes thousands of times while several processes read it through the mount.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdio>

#include "readers.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

constexpr std::size_t kSize = 200'000;

// Each version of the file is filled with a letter of its own.
char letter(unsigned version) { return static_cast<char>('A' + (version % 26)); }

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

// Which size tells which version: a prime step, so that ends wander through the pages.
std::size_t size_of(unsigned version) { return 1 + ((std::size_t{version} * 4'099) % kSize); }

std::string stray_byte(const Seen& seen, std::string_view allowed) {
  const auto at = seen.bytes.find_first_not_of(allowed);
  return at == std::string::npos ? std::string()
                                 : fmt::format("byte {} of {} is {:#04x}", at, seen.bytes.size(),
                                               static_cast<unsigned char>(seen.bytes[at]));
}

struct Changes {
  std::filesystem::path file;
  std::filesystem::path spare;

  // One change of the file: the version that it leads to.
  using Step = std::function<void(const Changes&, unsigned version)>;
};

void run_under_readers(const Judge& judge, const Changes::Step& step) {
  const ReadPath path = each_read_path();
  const auto seconds = std::stoi(environment("MMAPDIRFS_STRESS_SECONDS").value_or("3"));
  const TemporaryDirectory source;
  const Changes changes{.file = source / "file", .spare = source / "spare"};
  write_file(changes.file, std::string(kSize, letter(0)));
  Mount mount(source.path(), {.options = path});

  const auto deadline = std::chrono::steady_clock::now() + Seconds(seconds);
  Readers readers(mount / "file", judge, deadline);
  unsigned version = 0;
  while (std::chrono::steady_clock::now() < deadline) {
    step(changes, ++version);
  }
  CAPTURE(version);
  const std::string complaints = readers.complaints();
  CAPTURE(complaints);
  CHECK(complaints.empty());
  CHECK(version > 10);  // thousands, where nobody else wants the machine
  CHECK(mount.daemon().running());

  write_file(changes.file, pattern(kSize, 1));
  const std::string settled = pattern(kSize, 1);
  CHECK(eventually([&] { return read_by_pread(mount / "file").bytes == settled; }));
  CHECK(eventually([&] { return read_by_mmap(mount / "file").bytes == settled; }));
}

TEST_CASE("A file truncated and regrown under its readers shows its bytes, zeros or an error",
          "[stress]") {
  // Zeros are fair: between truncating and writing the file is short, and a reader that knows the
  // old size, or maps the last page, sees zeros up to it.
  const std::string allowed = std::string(kLetters) + '\0';
  run_under_readers(
      [&](const Seen& seen) {
        if (seen.error != 0 && seen.error != EIO && seen.error != EFAULT) {
          return fmt::format("errno {}", seen.error);
        }
        return stray_byte(seen, allowed);
      },
      [](const Changes& changes, unsigned version) {
        must(::truncate(changes.file.c_str(), static_cast<off_t>(version % 5'000)), "truncate");
        write_at(open_fd(changes.file, O_WRONLY).get(),
                 std::string(size_of(version), letter(version)), 0);
      });
}

TEST_CASE("A file rewritten in place under its readers shows old or new bytes, never an error",
          "[stress]") {
  run_under_readers(
      [](const Seen& seen) {
        if (seen.error != 0 || seen.bytes.size() != kSize) {
          return fmt::format("errno {}, {} bytes", seen.error, seen.bytes.size());
        }
        return stray_byte(seen, kLetters);
      },
      [](const Changes& changes, unsigned version) {
        write_at(open_fd(changes.file, O_WRONLY).get(), std::string(kSize, letter(version)), 0);
      });
}

TEST_CASE("A file replaced by rename under its readers is one whole version to each of them",
          "[stress]") {
  run_under_readers(
      [](const Seen& seen) {
        if (seen.error != 0 || seen.bytes.empty()) {
          return fmt::format("errno {}, {} bytes", seen.error, seen.bytes.size());
        }
        return stray_byte(seen, seen.bytes.substr(0, 1));
      },
      [](const Changes& changes, unsigned version) {
        write_file(changes.spare, std::string(size_of(version), letter(version)));
        // An exchange, since ext4 waits for the disk when a rename drops a file.
        must(::renameat2(AT_FDCWD, changes.spare.c_str(), AT_FDCWD, changes.file.c_str(),
                         RENAME_EXCHANGE),
             "renameat2");
        std::filesystem::remove(changes.spare);
      });
}

TEST_CASE("A file that grows under its readers is never seen with a hole", "[stress]") {
  run_under_readers(
      [](const Seen& seen) {
        // SIGBUS is fair: where two answers about the size overtake each other, the kernel tells
        // the reader the newer one and keeps the older for itself.
        if (seen.error != 0 && seen.error != EFAULT) {
          return fmt::format("errno {}", seen.error);
        }
        return stray_byte(seen, kLetters);
      },
      [](const Changes& changes, unsigned version) {
        const auto size = static_cast<off_t>(std::filesystem::file_size(changes.file));
        if (size < off_t{4} << 20U) {
          write_at(open_fd(changes.file, O_WRONLY).get(), std::string(777, letter(version)), size);
        } else {
          write_file(changes.spare, std::string(1, letter(version)));
          std::filesystem::rename(changes.spare, changes.file);
        }
      });
}

}  // namespace
}  // namespace mmapdir::test
