// SPDX-License-Identifier: MIT
#include "fuse/ring_thread.h"

#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <utility>

namespace mmapdirfs {
namespace {

constexpr unsigned kRingSize = 8;
constexpr std::size_t kSqeSize = 128;

// The request that this thread is processing.
struct Current {
  RingEntry* entry = nullptr;
  bool is_answered = false;
};

Current& current() {
  thread_local Current request;
  return request;
}

// Signals are for the thread that waits for the session's end.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t signals{};
    sigemptyset(&signals);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
      sigaddset(&signals, number);
    }
    ::pthread_sigmask(SIG_BLOCK, &signals, &before_);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace

Result<std::unique_ptr<RingThread>> RingThread::create(std::vector<unsigned> queues,
                                                       std::size_t entries) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake) {
    return std::unexpected(Error::from_errno(errno, "eventfd"));
  }
  std::unique_ptr<RingThread> thread(new RingThread(std::move(queues), entries, std::move(wake)));
  // Disabled until the thread takes it over, since it is the only one that may submit. Requests are
  // delivered when it waits for them, rather than in the middle of an operation's system calls.
  io_uring_params params{};
  params.flags = IORING_SETUP_SQE128 | IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
                 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL;
  if (const int result = ::io_uring_queue_init_params(kRingSize, &thread->ring_, &params);
      result < 0) {
    thread->ring_.ring_fd = -1;
    return std::unexpected(Error::from_errno(-result, "io_uring_setup"));
  }
  return thread;
}

RingThread::~RingThread() {
  stop();
  join();
  if (ring_.ring_fd >= 0) {
    ::io_uring_queue_exit(&ring_);
  }
}

void RingThread::start(Work work) {
  work_ = std::move(work);
  const BlockedSignals blocked;
  thread_ = std::thread([this] { run(); });
}

void RingThread::stop() {
  mail_.lock()->stop = true;
  wake();
}

void RingThread::join() {
  if (thread_.joinable()) {
    thread_.join();
  }
}

void RingThread::give_back(RingEntry& entry) {
  mail_.lock()->answered.push_back(&entry);
  wake();
}

void RingThread::wake() {
  // Fails only if nobody has read 2^64 - 2 wakes.
  ::eventfd_write(wake_.get(), 1);
}

bool RingThread::answer_own(std::uint64_t unique, std::span<const iovec> answer) {
  auto& request = current();
  if (request.entry == nullptr || !request.entry->awaits(unique)) {
    return false;
  }
  request.entry->put_answer(answer);
  request.is_answered = true;
  return true;
}

void RingThread::run() {
  if (const auto opened = open(); !opened) {
    return work_.fail(opened.error());
  }
  while (!ended_) {
    const int result = ::io_uring_submit_and_wait(&ring_, 1);
    if (result < 0 && result != -EINTR && result != -EAGAIN && result != -EBUSY) {
      return work_.fail(Error::from_errno(-result, "wait for requests"));
    }
    // One at a time: the answer goes out before the next request is looked at.
    io_uring_cqe* completion = nullptr;
    if (::io_uring_peek_cqe(&ring_, &completion) == 0) {
      const io_uring_cqe taken = *completion;
      ::io_uring_cqe_seen(&ring_, completion);
      take(taken);
    }
  }
}

Result<void> RingThread::open() {
  // liburing 2.3 declares io_uring_enable_rings() and doesn't export it.
  if (::syscall(SYS_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) !=
      0) {
    return std::unexpected(Error::from_errno(errno, "enable the ring"));
  }
  if (const int result = ::io_uring_register_files(&ring_, &work_.device, 1); result < 0) {
    return std::unexpected(Error::from_errno(-result, "register /dev/fuse"));
  }
  await_mail();
  try {
    for (const unsigned queue : queues_) {
      for (std::size_t i = 0; i < entries_; ++i) {
        add_entry(queue);
      }
    }
  } catch (const std::bad_alloc&) {
    return std::unexpected(Error::from_errno(ENOMEM, "make the ring's entries"));
  }
  return {};
}

io_uring_sqe& RingThread::next_sqe() {
  io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    ::io_uring_submit(&ring_);
    sqe = ::io_uring_get_sqe(&ring_);
  }
  return *sqe;
}

void RingThread::await_mail() {
  io_uring_sqe& sqe = next_sqe();
  ::io_uring_prep_read(&sqe, wake_.get(), &wakes_, sizeof wakes_, 0);
  ::io_uring_sqe_set_data(&sqe, nullptr);
}

void RingThread::read_mail() {
  const Mail mail = std::exchange(*mail_.lock(), Mail{});
  for (RingEntry* entry : mail.answered) {
    submit_entry(*entry, ring::Command::kCommitAndFetch);
  }
  ended_ = ended_ || mail.stop;
  await_mail();
}

void RingThread::add_entry(unsigned queue) {
  submit_entry(work_.make_entry(*this, queue), ring::Command::kRegister);
}

void RingThread::submit_entry(RingEntry& entry, ring::Command command) {
  io_uring_sqe& sqe = next_sqe();
  std::memset(&sqe, 0, kSqeSize);
  sqe.opcode = IORING_OP_URING_CMD;
  sqe.flags = IOSQE_FIXED_FILE;
  sqe.fd = 0;  // the first of the registered files
  sqe.cmd_op = static_cast<std::uint32_t>(command);
  if (command == ring::Command::kRegister) {
    sqe.addr = reinterpret_cast<std::uintptr_t>(entry.buffers().data());
    sqe.len = static_cast<std::uint32_t>(entry.buffers().size());
  }
  const ring::CommandArguments arguments{.flags = 0,
                                         .commit_id = entry.commit_id(),
                                         .queue = static_cast<std::uint16_t>(entry.queue()),
                                         .padding = {}};
  std::memcpy(&sqe.cmd, &arguments, sizeof arguments);
  ::io_uring_sqe_set_data(&sqe, &entry);
  ++in_kernel_;
}

void RingThread::take(const io_uring_cqe& completion) {
  auto* const entry = static_cast<RingEntry*>(::io_uring_cqe_get_data(&completion));
  if (entry == nullptr) {
    return read_mail();
  }
  --in_kernel_;
  switch (completion.res) {
    case 0:
      return serve(*entry);
    case -ENOTCONN:
    case -ECONNABORTED:
    case -ECANCELED:
      ended_ = true;  // unmounted
      return;
    default:
      ended_ = true;
      return work_.fail(Error::from_errno(-completion.res, "take a request"));
  }
}

void RingThread::serve(RingEntry& entry) {
  const auto request = entry.take_request();
  auto& now = current();
  now = {.entry = &entry, .is_answered = false};
  work_.process(request);
  bool is_answered = std::exchange(now, Current{}).is_answered;
  if (!is_answered && entry.needs_no_answer()) {
    entry.put_completion();
    is_answered = true;
  }
  if (is_answered) {
    submit_entry(entry, ring::Command::kCommitAndFetch);
  } else if (in_kernel_ < entries_ * queues_.size()) {
    add_entry(entry.queue());
  }
}

}  // namespace mmapdirfs
