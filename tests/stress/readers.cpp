// SPDX-License-Identifier: MIT
#include "readers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <csignal>

#include "support/files.h"
#include "support/mount.h"

namespace mmapdir::test {
namespace {

// A signal handler can be given nothing. Only the readers, processes of one thread, use it.
sigjmp_buf escape;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

void on_sigbus(int /*signal*/) { ::siglongjmp(escape, 1); }

void survive_sigbus() {
  struct sigaction action{};
  action.sa_handler = on_sigbus;
  must(::sigaction(SIGBUS, &action, nullptr), "sigaction");
}

// Byte by byte into memory that was there before, so that the jump out of the signal handler
// crosses no constructor and no destructor.
bool copy_mapped(const volatile char* from, char* to, std::size_t size) {
  if (sigsetjmp(escape, 1) != 0) {
    return false;
  }
  for (std::size_t i = 0; i < size; ++i) {
    to[i] = from[i];
  }
  return true;
}

int read_and_judge(const std::filesystem::path& path, Seen (*look)(const std::filesystem::path&),
                   const Judge& judge, std::chrono::steady_clock::time_point deadline) {
  survive_sigbus();
  while (std::chrono::steady_clock::now() < deadline) {
    if (const std::string complaint = judge(look(path)); !complaint.empty()) {
      fmt::print(stderr, "{}: {}\n", look == read_by_mmap ? "mmap" : "pread", complaint);
      return 1;
    }
  }
  return 0;
}

}  // namespace

Seen read_by_pread(const std::filesystem::path& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    return {.bytes = {}, .error = errno};
  }
  Seen seen;
  std::string piece(1U << 16U, '\0');
  for (;;) {
    const ssize_t got =
        ::pread(file.get(), piece.data(), piece.size(), static_cast<off_t>(seen.bytes.size()));
    if (got <= 0) {
      seen.error = got < 0 ? errno : 0;
      return seen;
    }
    seen.bytes.append(piece, 0, static_cast<std::size_t>(got));
  }
}

Seen read_by_mmap(const std::filesystem::path& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat found{};
  if (!file || ::fstat(file.get(), &found) != 0) {
    return {.bytes = {}, .error = errno};
  }
  if (found.st_size == 0) {
    return {};
  }
  const auto size = static_cast<std::size_t>(found.st_size);
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (mapped == MAP_FAILED) {
    return {.bytes = {}, .error = errno};
  }
  Seen seen{.bytes = std::string(size, '\0'), .error = 0};
  if (!copy_mapped(static_cast<const char*>(mapped), seen.bytes.data(), size)) {
    seen = {.bytes = {}, .error = EFAULT};
  }
  ::munmap(mapped, size);
  return seen;
}

Readers::Readers(const std::filesystem::path& path, const Judge& judge,
                 std::chrono::steady_clock::time_point deadline)
    : output_(must(::memfd_create("complaints", MFD_CLOEXEC), "memfd_create")) {
  must(::fcntl(output_.get(), F_SETFL, O_APPEND), "fcntl");
  for (const auto look : {read_by_pread, read_by_mmap, read_by_pread, read_by_mmap}) {
    processes_.push_back(
        Process::call([&, look] { return read_and_judge(path, look, judge, deadline); },
                      {.standard_error = output_.get()}));
  }
}

std::string Readers::complaints() {
  std::string statuses;
  for (Process& process : processes_) {
    // The limit is for one that hangs: they all have the same deadline.
    if (const auto status = process.wait(std::chrono::hours(1)); status != 0) {
      statuses += fmt::format("a reader ended with status {}\n", status.value_or(-1));
    }
  }
  return statuses + read_at(output_.get(), 1U << 16U, 0);
}

}  // namespace mmapdir::test
