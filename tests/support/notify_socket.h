// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "support/temporary_directory.h"
#include "support/unique_fd.h"

namespace mmapdir::test {

// The service manager's end of $NOTIFY_SOCKET (sd_notify(3)). A resource type.
class NotifySocket {
 public:
  NotifySocket() : NotifySocket(std::string()) {}
  // In the abstract namespace; `name` begins with '@'.
  explicit NotifySocket(const std::string& name);

  const std::string& name() const { return name_; }

  // The next message, waited for; empty if there is none for a long time.
  std::string hear() const { return receive(0); }

  // Whether no message is there yet.
  bool hears_nothing() const;

 private:
  std::string receive(int flags) const;

  TemporaryDirectory directory_;
  std::string name_;
  UniqueFd socket_;
};

}  // namespace mmapdir::test
