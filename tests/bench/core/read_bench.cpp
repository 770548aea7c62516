// SPDX-License-Identifier: MIT
//
// What it costs to read a range of a warm, open file: a view of it, the view with its bytes
// touched, a guarded copy; against pread and against a mapping without any library around it.
// Offsets walk through the file, so that neither the prefetcher nor the cache sees one spot only.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "mmapdir/mmap_directory.h"
#include "support/unique_fd.h"

namespace {

using mmapdir::ByteRange;
using mmapdir::FileSlice;
using mmapdir::MmapDirectory;
using mmapdir::RelativePath;
using mmapdir::UniqueFd;

constexpr std::size_t kFileSize = 64U << 20U;

// A directory with one file, made once and removed at the end.
class Fixture {
 public:
  Fixture() {
    std::string name = std::filesystem::temp_directory_path() / "mmapdir-bench-XXXXXX";
    root_ = ::mkdtemp(name.data());
    auto directory = MmapDirectory::open(root_).value();
    const auto path = RelativePath::parse("file").value();
    directory.write(path, std::vector(kFileSize, std::byte{1})).value();
    file_ = directory.open_read(path).value();
    fd_ = UniqueFd(::open((root_ / "file").c_str(), O_RDONLY | O_CLOEXEC));
    void* const address = ::mmap(nullptr, kFileSize, PROT_READ, MAP_SHARED, fd_.get(), 0);
    mapping_ = {static_cast<const std::byte*>(address), kFileSize};
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;
  ~Fixture() { std::filesystem::remove_all(root_); }

  const FileSlice& file() const { return file_; }
  int fd() const { return fd_.get(); }
  std::span<const std::byte> mapping() const { return mapping_; }

 private:
  std::filesystem::path root_;
  FileSlice file_;
  UniqueFd fd_;
  std::span<const std::byte> mapping_;
};

const Fixture& fixture() {
  static const Fixture instance;
  return instance;
}

std::uint64_t sum(std::span<const std::byte> bytes) {
  return std::accumulate(
      bytes.begin(), bytes.end(), std::uint64_t{0},
      [](std::uint64_t total, std::byte b) { return total + std::to_integer<std::uint64_t>(b); });
}

// Runs `read(range)` over ranges of the benchmark's size, one after the other.
template <class Read>
void walk(benchmark::State& state, Read read) {
  const auto size = static_cast<std::uint64_t>(state.range(0));
  std::uint64_t offset = 0;
  for (auto _ : state) {
    read(ByteRange{.offset = offset, .length = size});
    offset += size;
    if (offset > kFileSize - size) {
      offset = 0;
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void read_range(benchmark::State& state) {
  walk(state, [&file = fixture().file()](ByteRange range) {
    benchmark::DoNotOptimize(file.read_range(range));
  });
}

void read_range_and_touch(benchmark::State& state) {
  walk(state, [&file = fixture().file()](ByteRange range) {
    benchmark::DoNotOptimize(sum(file.read_range(range)->bytes()));
  });
}

void read_at(benchmark::State& state) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(state.range(0)));
  walk(state, [&file = fixture().file(), &buffer](ByteRange range) {
    benchmark::DoNotOptimize(file.read_at(range.offset, buffer));
    benchmark::ClobberMemory();
  });
}

void pread_into_buffer(benchmark::State& state) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(state.range(0)));
  walk(state, [fd = fixture().fd(), &buffer](ByteRange range) {
    benchmark::DoNotOptimize(
        ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(range.offset)));
    benchmark::ClobberMemory();
  });
}

void pread_and_touch(benchmark::State& state) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(state.range(0)));
  walk(state, [fd = fixture().fd(), &buffer](ByteRange range) {
    benchmark::DoNotOptimize(
        ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(range.offset)));
    benchmark::DoNotOptimize(sum(buffer));
  });
}

void bare_mapping_and_touch(benchmark::State& state) {
  walk(state, [mapping = fixture().mapping()](ByteRange range) {
    benchmark::DoNotOptimize(sum(mapping.subspan(range.offset, range.length)));
  });
}

void sizes(benchmark::internal::Benchmark* bench) { bench->Arg(64)->Arg(4 << 10)->Arg(1 << 20); }

BENCHMARK(read_range)->Apply(sizes);
// Two threads on one file, who share its reference count.
BENCHMARK(read_range)->Arg(64)->Threads(2);
BENCHMARK(read_range_and_touch)->Apply(sizes);
BENCHMARK(bare_mapping_and_touch)->Apply(sizes);
BENCHMARK(pread_and_touch)->Apply(sizes);
BENCHMARK(read_at)->Apply(sizes);
BENCHMARK(pread_into_buffer)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
