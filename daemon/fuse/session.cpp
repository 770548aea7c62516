// SPDX-License-Identifier: MIT
#include "fuse/session.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

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

std::expected<Session, StartError> Session::create(Adapter& adapter,
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
  const fuse_lowlevel_ops operations = Adapter::operations(adapter.granted_access());
  fuse_session* session =
      fuse_session_new(&arguments.args, &operations, sizeof operations, &adapter);
  if (session == nullptr) {
    return std::unexpected(StartError{"libfuse refused the mount options"});
  }
  return Session(session);
}

Session::~Session() {
  if (session_) {
    fuse_remove_signal_handlers(session_.get());
    fuse_session_unmount(session_.get());
  }
}

std::expected<void, StartError> Session::mount(const std::string& mountpoint) {
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
  fuse_session_process_buf(session_.get(), &request.buffer);
  if (fuse_session_exited(session_.get()) != 0) {
    return std::unexpected(StartError{"the kernel and libfuse have no FUSE protocol in common"});
  }
  return {};
}

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

Result<void> Session::serve(unsigned threads) {
  const std::unique_ptr<fuse_loop_config, decltype(&fuse_loop_cfg_destroy)> config(
      fuse_loop_cfg_create(), fuse_loop_cfg_destroy);
  if (!config) {
    return std::unexpected(Error::from_errno(ENOMEM, "prepare to serve"));
  }
  fuse_loop_cfg_set_max_threads(config.get(), threads);
  fuse_loop_cfg_set_idle_threads(config.get(), threads);
  const int result = fuse_session_loop_mt(session_.get(), config.get());
  // A positive result is the signal that ended the loop.
  if (result < 0) {
    return std::unexpected(Error::from_errno(-result, "serve"));
  }
  return {};
}

}  // namespace mmapdirfs
