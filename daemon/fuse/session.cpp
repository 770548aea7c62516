// SPDX-License-Identifier: MIT
#include "fuse/session.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/fuse.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "fuse/counted_operations.h"

namespace mmapdirfs {
namespace {

void forward_log(fuse_log_level level, const char* format, va_list arguments) {
  std::array<char, 1024> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  std::string_view line(text.data());
  while (line.ends_with('\n')) {
    line.remove_suffix(1);
  }
  if (level <= FUSE_LOG_ERR) {
    spdlog::error("{}", line);
  } else {
    spdlog::debug("{}", line);
  }
}

// FUSE_ALLOW_IDMAP >> 32 of Linux 6.12's protocol (7.41), which libfuse 3.18 doesn't know.
constexpr std::uint32_t kAllowIdmap = 1U << 8U;

// Whether the kernel offers what has this bit in the second half of INIT's flags: libfuse shows
// only what it has itself.
bool offers(const fuse_buf& init, std::uint32_t bit) {
  fuse_init_in in{};
  constexpr std::size_t kSize = sizeof(fuse_in_header) + sizeof in;
  if (init.size < kSize) {
    return false;  // the kernel is older than such offers
  }
  std::memcpy(&in, static_cast<const std::byte*>(init.mem) + sizeof(fuse_in_header), sizeof in);
  return (in.flags2 & bit) != 0;
}

// Takes an offer of the kernel's in libfuse's answer to INIT.
void accept(std::span<iovec> init_answer, std::uint32_t bit) {
  if (init_answer.size() < 2 || init_answer[1].iov_len < sizeof(fuse_init_out)) {
    return;  // an error: libfuse and the kernel have no protocol in common
  }
  fuse_init_out out{};
  std::memcpy(&out, init_answer[1].iov_base, sizeof out);
  out.flags2 |= bit;
  std::memcpy(init_answer[1].iov_base, &out, sizeof out);
}

StartError no_id_mapping(const std::string& reason) {
  return StartError{"--idmap=on can't be had: " + reason};
}

StartError no_io_uring(const std::string& reason) {
  return StartError{"--io-uring=on can't be had: " + reason +
                    "; --io-uring=auto takes it where it can be had"};
}

std::string why_not(const Error& error) {
  switch (error.errnum()) {
    case EPERM:
      return error.message() +
             "; allow it by sysctl kernel.io_uring_disabled=0 or, in a container, by its seccomp "
             "profile";
    case ENOTSUP:
      return error.message() + "; libfuse has to be built with -Denable-custom-io=true";
    default:
      return error.message();
  }
}

ssize_t send(int device, iovec* pieces, int count, void* link) {
  const std::span message(pieces, static_cast<std::size_t>(count));
  const Link& mount = *static_cast<const Link*>(link);
  if (mount.is_answering_init && mount.maps_ids) {
    accept(message, kAllowIdmap);
  }
  if (mount.is_answering_init && mount.rings) {
    mount.rings->announce(message);
  } else if (mount.rings && mount.rings->answer(message)) {
    return static_cast<const fuse_out_header*>(message.front().iov_base)->len;
  }
  return ::writev(device, pieces, count);
}

ssize_t receive(int device, void* buffer, std::size_t size, void* /*link*/) {
  return ::read(device, buffer, size);
}

std::string escape_commas(std::string_view option) {
  std::string escaped;
  for (const char c : option) {
    if (c == ',' || c == '\\') {
      escaped.push_back('\\');
    }
    escaped.push_back(c);
  }
  return escaped;
}

struct Arguments {
  fuse_args args = FUSE_ARGS_INIT(0, nullptr);

  Arguments() = default;
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  ~Arguments() { fuse_opt_free_args(&args); }

  bool add(const std::string& argument) { return fuse_opt_add_arg(&args, argument.c_str()) == 0; }
};

struct RequestBuffer {
  fuse_buf buffer{};

  RequestBuffer() = default;
  RequestBuffer(const RequestBuffer&) = delete;
  RequestBuffer& operator=(const RequestBuffer&) = delete;
  ~RequestBuffer() { std::free(buffer.mem); }
};

}  // namespace

std::expected<Session, StartError> Session::create(Adapter& adapter, OperationCounters& counters,
                                                   const std::vector<std::string>& mount_options) {
  fuse_set_log_func(forward_log);
  Arguments arguments;
  bool complete = arguments.add("mmapdirfs");
  for (const auto& option : mount_options) {
    complete = complete && arguments.add("-o" + escape_commas(option));
  }
  if (!complete) {
    return std::unexpected(StartError{"prepare the mount options: out of memory"});
  }
  auto link = std::make_unique<Link>(adapter, counters, adapter.operations());
  const fuse_lowlevel_ops operations = counted(link->operations);
  fuse_session* session =
      fuse_session_new(&arguments.args, &operations, sizeof operations, link.get());
  if (session == nullptr) {
    return std::unexpected(StartError{
        fmt::format("libfuse refused the mount options '{}'; the cause stands in the line before",
                    fmt::join(mount_options, ","))});
  }
  return Session(std::move(link), session);
}

Session::~Session() {
  if (session_) {
    fuse_remove_signal_handlers(session_.get());
    fuse_session_unmount(session_.get());
  }
}

std::expected<void, StartError> Session::mount(const std::string& mountpoint,
                                               const Serving& serving) {
  serving_ = serving;
  if (fuse_set_signal_handlers(session_.get()) != 0) {
    return std::unexpected(StartError{"set up the signal handlers: failed"});
  }
  if (fuse_session_mount(session_.get(), mountpoint.c_str()) != 0) {
    return std::unexpected(
        StartError{"mount on '" + mountpoint + "': failed; the cause stands in the line before"});
  }
  return answer_init();
}

// INIT is always the first request. Serving it here, alone, lets the read path be chosen and tried
// before anybody can ask for a file.
std::expected<void, StartError> Session::answer_init() {
  RequestBuffer request;
  int received = 0;
  do {
    received = fuse_session_receive_buf(session_.get(), &request.buffer);
  } while (received == -EINTR && fuse_session_exited(session_.get()) == 0);
  if (received <= 0) {
    return std::unexpected(StartError{std::string("talk to the kernel: ") +
                                      (received < 0 ? std::generic_category().message(-received)
                                                    : "the mount was taken away at once")});
  }
  if (auto chosen = choose_transport(request.buffer); !chosen) {
    return chosen;
  }
  if (auto agreed = agree_to_map_ids(request.buffer); !agreed) {
    return agreed;
  }
  link_->is_answering_init = true;
  fuse_session_process_buf(session_.get(), &request.buffer);
  link_->is_answering_init = false;
  if (fuse_session_exited(session_.get()) != 0) {
    return std::unexpected(StartError{"the kernel and libfuse have no FUSE protocol in common"});
  }
  return {};
}

void Session::finish(const std::function<void()>& work) {
  is_taken_away() ? work() : serve_during(work);
  if (uses_io_uring()) {
    link_->rings->stop();
  }
}

bool Session::is_taken_away() const {
  pollfd asked{.fd = device(), .events = 0, .revents = 0};
  return ::poll(&asked, 1, 0) == 1 && (asked.revents & POLLERR) != 0;
}

// The rings' threads go on by themselves.
void Session::serve_during(const std::function<void()>& work) {
  const UniqueFd done(::eventfd(0, EFD_CLOEXEC));
  if (!done) {
    return work();  // there is nothing better; and as a rule nothing is under way
  }
  std::thread worker([&] {
    work();
    ::eventfd_write(done.get(), 1);
  });
  std::array<pollfd, 2> waiting = {pollfd{.fd = done.get(), .events = POLLIN, .revents = 0},
                                   pollfd{.fd = device(), .events = POLLIN, .revents = 0}};
  RequestBuffer request;
  while (waiting[0].revents == 0) {
    ::poll(waiting.data(), waiting.size(), -1);
    if (waiting[0].revents == 0 && waiting[1].revents != 0 &&
        fuse_session_receive_buf(session_.get(), &request.buffer) > 0) {
      fuse_session_process_buf(session_.get(), &request.buffer);
    } else if (waiting[1].revents != 0) {
      waiting[1].fd = -1;  // the connection has ended, and with it every request
    }
  }
  worker.join();
}

std::expected<void, StartError> Session::choose_transport(const fuse_buf& init) {
  const bool must = serving_.io_uring == IoUringUse::kOn;
  if (serving_.io_uring == IoUringUse::kOff) {
    return {};
  }
  if (!offers(init, ring::kOverIoUring)) {
    return must ? std::unexpected(no_io_uring(
                      "the kernel doesn't offer it; Linux 6.14 and newer do after 'echo 1 > "
                      "/sys/module/fuse/parameters/enable_uring', by root before the mount"))
                : std::expected<void, StartError>();
  }
  const auto taken = take_rings();
  if (!taken && must) {
    return std::unexpected(no_io_uring(why_not(taken.error())));
  }
  if (!taken) {
    spdlog::info("FUSE over io_uring can't be had: {}", why_not(taken.error()));
  }
  return {};
}

Result<void> Session::take_rings() {
  const auto processors = Processors::of_this_machine();
  if (!processors) {
    return std::unexpected(processors.error());
  }
  auto rings = Rings::create(session_.get(), *processors, serving_.threads);
  if (!rings) {
    return std::unexpected(rings.error());
  }
  if (auto taken = take_over_writes(); !taken) {
    return taken;
  }
  link_->rings = std::move(*rings);
  return {};
}

// The kernel has to be answered what libfuse doesn't know of.
std::expected<void, StartError> Session::agree_to_map_ids(const fuse_buf& init) {
  if (!serving_.maps_ids) {
    return {};
  }
  if (!offers(init, kAllowIdmap)) {
    return std::unexpected(
        no_id_mapping("the kernel doesn't offer it; allowed is it on Linux 6.12 and newer"));
  }
  if (const auto taken = uses_io_uring() ? Result<void>() : take_over_writes(); !taken) {
    return std::unexpected(no_id_mapping(why_not(taken.error())));
  }
  link_->maps_ids = true;
  return {};
}

Result<void> Session::take_over_writes() {
  fuse_custom_io io{};
  io.writev = send;
  io.read = receive;
  if (const int result =
          fuse_session_custom_io(session_.get(), &io, sizeof io, fuse_session_fd(session_.get()));
      result < 0) {
    return std::unexpected(Error::from_errno(-result, "take over libfuse's writes"));
  }
  return {};
}

Result<void> Session::serve() {
  const std::unique_ptr<fuse_loop_config, decltype(&fuse_loop_cfg_destroy)> config(
      fuse_loop_cfg_create(), fuse_loop_cfg_destroy);
  if (!config) {
    return std::unexpected(Error::from_errno(ENOMEM, "prepare to serve"));
  }
  fuse_loop_cfg_set_max_threads(config.get(), serving_.threads);
  fuse_loop_cfg_set_idle_threads(config.get(), serving_.threads);
  if (uses_io_uring()) {
    if (auto started = link_->rings->start(); !started) {
      return started;
    }
  }
  const int result = fuse_session_loop_mt(session_.get(), config.get());
  // A positive result is the signal that ended the loop.
  if (result < 0) {
    return std::unexpected(Error::from_errno(-result, "serve"));
  }
  return {};
}

}  // namespace mmapdirfs
