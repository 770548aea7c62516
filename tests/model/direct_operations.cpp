// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <new>

#include "mounted/parity_answer.h"
#include "support/files.h"
#include "world.h"

namespace mmapdir::test {
namespace {

constexpr std::size_t kAlignment = 4096;

// A buffer that is fit for O_DIRECT.
class AlignedBuffer {
 public:
  explicit AlignedBuffer(std::size_t size)
      : bytes_(static_cast<char*>(::operator new(size, std::align_val_t{kAlignment}))) {
    std::memset(bytes_.get(), 0, size);
  }

  char* get() { return bytes_.get(); }

 private:
  struct Free {
    void operator()(char* bytes) const { ::operator delete(bytes, std::align_val_t{kAlignment}); }
  };

  std::unique_ptr<char, Free> bytes_;
};

off_t block_at(off_t offset) { return offset - (offset % static_cast<off_t>(kAlignment)); }

// Where bytes are appended, the file's end has to be aligned.
bool is_appending(int fd) { return (::fcntl(fd, F_GETFL) & O_APPEND) != 0; }

int set_direct(int fd, bool direct) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags < 0 ? -1 : ::fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT);
}

// As dd and MinIO write: whole blocks past the cache, then O_DIRECT is taken back for the odd tail.
// In between nothing is misaligned, of which each file system thinks what it likes.
std::string write_blocks_and_tail(World& world, const Operation& op) {
  const int fd = world.file(op.slot);
  const std::size_t blocks = (1 + (op.number % 3)) * kAlignment;
  AlignedBuffer buffer(blocks);
  const std::string bytes = pattern(blocks, static_cast<std::uint32_t>(op.number));
  std::memcpy(buffer.get(), bytes.data(), blocks);
  const off_t offset = block_at(op.offset);
  std::string outcome = said(::pwrite(fd, buffer.get(), blocks, offset));
  outcome += ", " + said(set_direct(fd, false));
  const std::string tail = pattern(op.length % 1000, static_cast<std::uint32_t>(op.number + 1));
  const ssize_t done = ::pwrite(fd, tail.data(), tail.size(), offset + static_cast<off_t>(blocks));
  return outcome + ", " + said_of_file(world, op.slot, done);
}

// By open() and by fcntl(): the kernel treats them differently where files are passed through.
std::string open_direct(World& world, const Operation& op) {
  const int appends = op.number % 4 == 0 ? O_APPEND | O_TRUNC : 0;
  UniqueFd fd(::openat(world.root.get(), op.path,
                       O_RDWR | O_CREAT | O_DIRECT | O_NONBLOCK | O_CLOEXEC | appends, 0644));
  if (!fd) {
    return said(-1);
  }
  world.files.at(op.slot) = std::move(fd);
  return write_blocks_and_tail(world, op);
}

std::string write_direct(World& world, const Operation& op) {
  const int fd = world.file(op.slot);
  if (is_appending(fd)) {
    return "appends";
  }
  if (set_direct(fd, true) != 0) {
    return said(-1);
  }
  return write_blocks_and_tail(world, op);
}

std::string read_direct(World& world, const Operation& op) {
  const int fd = world.file(op.slot);
  if (set_direct(fd, true) != 0) {
    return said(-1);
  }
  const std::size_t blocks = (1 + (op.number % 3)) * kAlignment;
  AlignedBuffer buffer(blocks);
  const off_t offset = block_at(op.offset);
  const ssize_t got = ::pread(fd, buffer.get(), blocks, offset);
  std::string outcome = bytes_or_errno(got, std::string(buffer.get(), blocks));
  return outcome + ", " + said(set_direct(fd, false));
}

}  // namespace

void add_direct_operations(Kinds& kinds) {
  kinds.insert(kinds.end(), {{.name = "open direct", .weight = 10, .carry_out = open_direct},
                             {.name = "write direct", .weight = 8, .carry_out = write_direct},
                             {.name = "read direct", .weight = 8, .carry_out = read_direct}});
}

}  // namespace mmapdir::test
