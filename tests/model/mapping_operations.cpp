// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "mounted/parity_answer.h"
#include "support/files.h"
#include "world.h"

namespace mmapdir::test {
namespace {

constexpr std::size_t kMapped = 100'000;

std::string map(World& world, const Operation& op) {
  constexpr std::array kProtections{PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE};
  SharedMapping mapping(world.file(op.slot), kMapped, choose(kProtections, op.number));
  if (!mapping) {
    return said(-1);
  }
  world.mappings.at(op.other) = std::move(mapping);
  world.mapped_files.at(op.other) = UniqueFd(::fcntl(world.file(op.slot), F_DUPFD_CLOEXEC, 0));
  return said(0);
}

std::string unmap(World& world, const Operation& op) {
  world.mappings.at(op.other) = SharedMapping();
  world.mapped_files.at(op.other).reset();
  return said(0);
}

// The part of a mapping that an operation is about, before `end`; empty where nothing is mapped.
std::span<char> part_of(const SharedMapping& mapping, const Operation& op, std::size_t end) {
  const auto bound = std::min(mapping.size(), end);
  const auto offset = std::min(static_cast<std::size_t>(op.offset), bound);
  return mapping ? std::span(mapping.bytes() + offset, std::min(op.length, bound - offset))
                 : std::span<char>();
}

// The kernel touches the bytes, so that what lies beyond the file's end is EFAULT rather than a
// signal.
std::string read_mapped(World& world, const Operation& op) {
  const auto part = part_of(world.mappings.at(op.other), op, kMapped);
  const UniqueFd memory(must(::memfd_create("copy", MFD_CLOEXEC), "memfd_create"));
  const ssize_t done = ::pwrite(memory.get(), part.data(), part.size(), 0);
  return bytes_or_errno(done, read_at(memory.get(), kMapped, 0));
}

// What is written behind the end, on the last page, nobody promises anything of (mmap(2)).
std::string write_mapped(World& world, const Operation& op) {
  struct stat found{};
  if (::fstat(world.mapped_files.at(op.other).get(), &found) != 0) {
    return "nothing is mapped";
  }
  const auto part =
      part_of(world.mappings.at(op.other), op, static_cast<std::size_t>(found.st_size));
  const std::string bytes = pattern(part.size(), static_cast<std::uint32_t>(op.number));
  const UniqueFd memory(must(::memfd_create("copy", MFD_CLOEXEC), "memfd_create"));
  write_at(memory.get(), bytes, 0);
  return said(::pread(memory.get(), part.data(), part.size(), 0));
}

std::string sync_mapped(World& world, const Operation& op) {
  const SharedMapping& mapping = world.mappings.at(op.other);
  return mapping ? said(::msync(mapping.bytes(), mapping.size(), MS_SYNC)) : "nothing is mapped";
}

}  // namespace

void add_mapping_operations(Kinds& kinds) {
  kinds.insert(kinds.end(), {{.name = "map", .weight = 30, .carry_out = map},
                             {.name = "unmap", .weight = 5, .carry_out = unmap},
                             {.name = "read mapped", .weight = 40, .carry_out = read_mapped},
                             {.name = "write mapped", .weight = 40, .carry_out = write_mapped},
                             {.name = "sync mapped", .weight = 5, .carry_out = sync_mapped}});
}

}  // namespace mmapdir::test
