// SPDX-License-Identifier: MIT
#include "fuse/rings.h"

#include <linux/fuse.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <system_error>
#include <utility>

#include "fuse/adapter.h"

namespace mmapdirfs {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kLeastPayload = 8192;  // the kernel's FUSE_MIN_READ_BUFFER

// A request that finds its queue without a free entry is delivered only when another one of that
// queue is answered; a new entry doesn't help it (fuse_uring_do_register, Linux 6.18). So a burst
// of waits for locks must never take all entries, or whoever is to give the lock back isn't heard.
// Each queue has one thread that keeps these besides. They cost address space until they are used.
constexpr std::size_t kReserve = 128;

// The queues that the first thread of all takes besides its own: those of processors that may yet
// be plugged in, since the kernel uses no queue before each has an entry.
std::vector<unsigned> offline(const Processors& processors) {
  std::vector<unsigned> queues;
  std::ranges::set_difference(processors.possible, processors.online, std::back_inserter(queues));
  return queues;
}

}  // namespace

Result<std::unique_ptr<Rings>> Rings::create(fuse_session* session, const Processors& processors,
                                             unsigned threads) {
  std::unique_ptr<Rings> rings(new Rings(session));
  const std::size_t each = std::max<std::size_t>(threads / processors.online.size(), 2);
  std::vector<unsigned> also = offline(processors);
  for (const unsigned processor : processors.online) {
    for (std::size_t i = 0; i < each; ++i) {
      std::vector<unsigned> queues = std::exchange(also, {});
      queues.push_back(processor);
      auto thread = RingThread::create(std::move(queues), i == 0 ? kReserve : 1);
      if (!thread) {
        return std::unexpected(thread.error());
      }
      rings->threads_.push_back(std::move(*thread));
    }
  }
  return rings;
}

Rings::~Rings() { stop(); }

void Rings::announce(std::span<iovec> init_answer) {
  if (init_answer.size() < 2 || init_answer[1].iov_len < sizeof(fuse_init_out)) {
    return;  // an error: libfuse and the kernel have no protocol in common
  }
  fuse_init_out out{};
  std::memcpy(&out, init_answer[1].iov_base, sizeof out);
  out.flags2 |= ring::kOverIoUring;
  std::memcpy(init_answer[1].iov_base, &out, sizeof out);
  payload_size_ = std::max({kLeastPayload, std::size_t{out.max_write}, out.max_pages * kPage});
  spdlog::debug("requests of up to {} KiB over io_uring, served by {} threads",
                payload_size_ / 1024, threads_.size());
}

Result<void> Rings::start() {
  try {
    for (const auto& thread : threads_) {
      thread->start({
          .device = fuse_session_fd(session_),
          .make_entry = [this](RingThread& owner, unsigned queue) -> RingEntry& {
            return make_entry(owner, queue);
          },
          .process = [this](std::span<std::byte> request) { process(request); },
          .fail = [this](const Error& error) { fail(error); },
      });
    }
  } catch (const std::system_error& error) {
    return std::unexpected(Error::from_errno(error.code().value(), "start a thread"));
  }
  return {};
}

void Rings::process(std::span<std::byte> request) {
  fuse_buf buffer{};
  buffer.mem = request.data();
  buffer.size = request.size();
  fuse_session_process_buf(session_, &buffer);
}

void Rings::stop() {
  for (const auto& thread : threads_) {
    thread->stop();
  }
  for (const auto& thread : threads_) {
    thread->join();
  }
}

bool Rings::answer(std::span<const iovec> answer) {
  fuse_out_header out{};
  std::memcpy(&out, answer.front().iov_base, sizeof out);
  if (out.unique == 0) {
    return false;  // a notification
  }
  if (RingThread::answer_own(out.unique, answer)) {
    return true;
  }
  RingEntry* const entry = find(out.unique);
  if (entry == nullptr) {
    return false;
  }
  entry->put_answer(answer);
  entry->owner().give_back(*entry);
  return true;
}

// Only answers from other threads look here, and there are few: a walk is cheaper than to keep
// an index up to date with each request.
RingEntry* Rings::find(std::uint64_t unique) {
  const auto entries = entries_.lock();
  const auto found =
      std::ranges::find_if(*entries, [&](const auto& entry) { return entry->awaits(unique); });
  return found == entries->end() ? nullptr : found->get();
}

RingEntry& Rings::make_entry(RingThread& owner, unsigned queue) {
  auto entry = std::make_unique<RingEntry>(owner, queue, payload_size_);
  auto entries = entries_.lock();
  entries->push_back(std::move(entry));
  return *entries->back();
}

void Rings::fail(const Error& error) {
  spdlog::error("{}", error.message());
  fuse_session_exit(session_);
}

}  // namespace mmapdirfs
