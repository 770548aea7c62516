// SPDX-License-Identifier: MIT
#include "unit/daemon/credentials.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <exception>
#include <thread>

#include "support/files.h"

namespace mmapdirfs::test {
namespace {

using mmapdir::test::must;

void give_up_capability(unsigned capability) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  must(::syscall(SYS_capget, &header, sets.data()), "capget");
  sets.at(CAP_TO_INDEX(capability)).effective &= ~CAP_TO_MASK(capability);
  must(::syscall(SYS_capset, &header, sets.data()), "capset");
}

void become_ordinary_user() {
  constexpr uid_t kNobody = 65534;
  if (::geteuid() == 0) {
    must(::syscall(SYS_setgroups, 0, nullptr), "setgroups");
    must(::syscall(SYS_setresgid, kNobody, kNobody, kNobody), "setresgid");
    must(::syscall(SYS_setresuid, kNobody, kNobody, kNobody), "setresuid");
  }
}

}  // namespace

void in_thread(const std::function<void()>& what) {
  std::exception_ptr failure;
  std::thread([&] {
    try {
      what();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) {
    std::rethrow_exception(failure);
  }
}

void without_capability(unsigned capability, const std::function<void()>& what) {
  in_thread([&] {
    give_up_capability(capability);
    what();
  });
}

void as_ordinary_user(const std::function<void()>& what) {
  in_thread([&] {
    become_ordinary_user();
    what();
  });
}

}  // namespace mmapdirfs::test
