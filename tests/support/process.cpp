// SPDX-License-Identifier: MIT
#include "support/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/memfd.h>
#include <poll.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "support/files.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

constexpr int kStatusOfException = 125;

void become(const User& user) {
  must(::setgroups(0, nullptr), "setgroups");
  must(::setresgid(user.gid, user.gid, user.gid), "setresgid");
  must(::setresuid(user.uid, user.uid, user.uid), "setresuid");
}

void set_up_child(const ProcessSetup& setup, pid_t caller) {
  if (setup.before) {
    setup.before();
  }
  if (setup.standard_output >= 0) {
    must(::dup2(setup.standard_output, STDOUT_FILENO), "dup2");
  }
  if (setup.standard_error >= 0) {
    must(::dup2(setup.standard_error, STDERR_FILENO), "dup2");
  }
  if (setup.user) {
    become(*setup.user);
  }
  // After the change of user, which clears it; and the caller may have died before it.
  if (setup.end_with_caller) {
    must(::prctl(PR_SET_PDEATHSIG, SIGTERM), "prctl");
    // A parent outside of the child's own pid namespace is 0.
    if (::getppid() != caller && ::getppid() != 0) {
      ::_exit(kStatusOfException);
    }
  }
}

std::string find_program(const std::string& name) {
  if (name.contains('/')) {
    return name;
  }
  std::istringstream path(environment("PATH").value_or("/usr/sbin:/usr/bin:/sbin:/bin"));
  for (std::string directory; std::getline(path, directory, ':');) {
    std::string candidate = fmt::format("{}/{}", directory, name);
    if (::access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
  }
  throw std::runtime_error("no such program: " + name);
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& string : strings) {
    result.push_back(string.data());
  }
  result.push_back(nullptr);
  return result;
}

std::string content_of(const UniqueFd& memory) {
  return read_at(memory.get(), static_cast<std::size_t>(::lseek(memory.get(), 0, SEEK_END)), 0);
}

template <class Start>
Outcome collect(const Start& start, ProcessSetup setup, std::chrono::milliseconds limit) {
  // Files rather than pipes: nobody has to read them while the process runs.
  const UniqueFd output(must(::memfd_create("output", MFD_CLOEXEC), "memfd_create"));
  const UniqueFd error(must(::memfd_create("error", MFD_CLOEXEC), "memfd_create"));
  setup.standard_output = output.get();
  setup.standard_error = error.get();
  Process process = start(setup);
  if (!process.wait(limit)) {
    process.signal(SIGKILL);
  }
  const int status = process.wait().value_or(kStatusOfException);
  return {.status = status, .output = content_of(output), .error = content_of(error)};
}

}  // namespace

User ordinary_user() {
  // One thread asks, and copies the answer at once.
  const passwd* nobody = ::getpwnam("nobody");  // NOLINT(concurrency-mt-unsafe)
  if (nobody == nullptr) {
    throw std::runtime_error("this system has no user `nobody`");
  }
  return {.uid = nobody->pw_uid, .gid = nobody->pw_gid};
}

void limit_descriptors(unsigned count) {
  const rlimit limit{.rlim_cur = count, .rlim_max = count};
  must(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
  if (::geteuid() == 0) {  // takes it away from the program that is executed next
    must(::prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0), "prctl");
  }
}

Process Process::call(const std::function<int()>& body, const ProcessSetup& setup) {
  const pid_t caller = ::getpid();
  (void)std::fflush(nullptr);
  const pid_t child = must(::fork(), "fork");
  if (child != 0) {
    return Process(child);
  }
  int status = kStatusOfException;
  try {
    set_up_child(setup, caller);
    status = body();
  } catch (const std::exception& failure) {
    fmt::print(stderr, "{}\n", failure.what());
  }
  (void)std::fflush(nullptr);
  ::_exit(status);
}

Process Process::program(const std::vector<std::string>& command, const ProcessSetup& setup) {
  const UniqueFd file = open_fd(find_program(command.at(0)), O_RDONLY);
  return call(
      [&] {
        std::vector<std::string> arguments = command;
        std::vector<std::string> variables = setup.environment.value_or(std::vector<std::string>{});
        ::fexecve(file.get(), pointers(arguments).data(),
                  setup.environment ? pointers(variables).data() : environ);
        return must(-1, "execute " + command.front());
      },
      setup);
}

// glibc 2.36 declares pidfd_open without extern "C".
Process::Process(pid_t pid)
    : pid_(pid), pidfd_(static_cast<int>(must(::syscall(SYS_pidfd_open, pid, 0), "pidfd_open"))) {}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      status_(other.status_) {}

Process::~Process() {
  if (pid_ > 0 && !status_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

bool Process::running() { return !wait(std::chrono::milliseconds(0)); }

void Process::signal(int number) const { must(::kill(pid_, number), "kill"); }

std::optional<int> Process::wait(std::chrono::milliseconds limit) {
  if (status_) {
    return status_;
  }
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  if (must(::poll(&ended, 1, static_cast<int>(limit.count())), "poll") == 0) {
    return std::nullopt;
  }
  int status = 0;
  must(::waitpid(pid_, &status, 0), "waitpid");
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return status_;
}

Outcome run(const std::vector<std::string>& command, ProcessSetup setup,
            std::chrono::milliseconds limit) {
  return collect([&](const ProcessSetup& complete) { return Process::program(command, complete); },
                 std::move(setup), limit);
}

Outcome run_function(const std::function<int()>& body, ProcessSetup setup,
                     std::chrono::milliseconds limit) {
  return collect([&](const ProcessSetup& complete) { return Process::call(body, complete); },
                 std::move(setup), limit);
}

std::vector<pid_t> children() {
  std::vector<pid_t> found;
  const std::string mine = fmt::format("PPid:\t{}", ::getpid());
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream status(entry.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line == mine) {
        found.push_back(std::stoi(entry.path().filename()));
      }
    }
  }
  return found;
}

int errno_as(const User& user, const std::function<int()>& body) {
  return run_function([&] { return body() == 0 ? 0 : errno; }, {.user = user}).status;
}

}  // namespace mmapdir::test
