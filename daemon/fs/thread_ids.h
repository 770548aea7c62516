// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

// The user and the groups of a thread whose request is being served; they can't change, since the
// thread waits for the answer. A thread is named by its number in our pid namespace. Number 0 is a
// thread that has none there; nothing is known of it.
namespace mmapdirfs {

// Its supplementary groups; none where they can't be read.
std::vector<gid_t> groups_of_thread(pid_t thread);

// As whom it uses files (fsuid); nothing where that can't be told.
std::optional<uid_t> user_of_thread(pid_t thread);

// Whether the machine tells as whom threads use files.
bool tells_users_of_threads();

}  // namespace mmapdirfs
