// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "ctl/control_channel.h"
#include "ctl/verb.h"
#include "support/unique_fd.h"

namespace mmapdirfs::ctl {

using mmapdir::UniqueFd;

// The control directory of a mount. A resource type.
class MountChannel final : public ControlChannel {
 public:
  // A directory that isn't a mount of ours, one whose daemon is dead and one that has no such
  // control directory are failures that say what to do.
  static Outcome<std::unique_ptr<ControlChannel>> open(const Invocation& invocation);

  MountChannel(UniqueFd directory, std::string path)
      : directory_(std::move(directory)), path_(std::move(path)) {}

  Outcome<std::string> read_file(std::string_view name) override;
  Outcome<Ending> converse(const std::string& command,
                           const std::function<void(std::string_view)>& take) override;

 private:
  Outcome<UniqueFd> open_file(std::string_view name) const;
  Failure failure(std::string_view name, int errnum) const;

  UniqueFd directory_;
  std::string path_;
};

}  // namespace mmapdirfs::ctl
