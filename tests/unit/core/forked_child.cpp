// SPDX-License-Identifier: MIT
#include "forked_child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "scratch.h"

namespace mmapdir::test {

ForkedChild::ForkedChild(const std::function<bool()>& work) {
  std::array<int, 2> ends{};
  must(::pipe2(ends.data(), O_CLOEXEC), "pipe");
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  pid_ = must(::fork(), "fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const char answer = work() ? 'y' : 'n';
    must(::write(writer.get(), &answer, 1), "write");
    while (true) {
      ::pause();
    }
  }
  writer.reset();  // so that a child that dies of its work is noticed
  char answer = 'n';
  succeeded_ = ::read(reader.get(), &answer, 1) == 1 && answer == 'y';
}

ForkedChild::~ForkedChild() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace mmapdir::test
