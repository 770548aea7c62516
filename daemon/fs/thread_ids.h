// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

// Who a thread is that waits for our answer, so that it can't become another meanwhile. Threads are
// known by their numbers in our pid namespace; 0 is one that has none there, and nothing is known
// of it.
namespace mmapdirfs {

// Its supplementary groups; none where they can't be read.
std::vector<gid_t> groups_of_thread(pid_t thread);

// As whom it uses files (fsuid); nothing where that can't be told.
std::optional<uid_t> user_of_thread(pid_t thread);

// Whether the machine tells as whom threads use files.
bool tells_users_of_threads();

}  // namespace mmapdirfs
