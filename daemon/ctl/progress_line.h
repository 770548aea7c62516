// SPDX-License-Identifier: MIT
#pragma once

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "ctl/terminal.h"

namespace mmapdirfs::ctl {

// One line that says how far a job is, in the terminal's width: bar, bytes, rate, time left.
// `figures` are those of the protocol: "bytes", "total", "rate", "path".
std::string progress_text(const nlohmann::json& figures, const Terminal& terminal);

// Draws that line over and over on a terminal; on what is none, nothing. Gone with the object. A
// resource type.
class ProgressLine {
 public:
  ProgressLine(std::ostream& out, const Terminal& terminal) : out_(out), terminal_(terminal) {}
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine();

  void show(const nlohmann::json& figures);

 private:
  std::ostream& out_;
  const Terminal& terminal_;
  bool is_drawn_ = false;
};

}  // namespace mmapdirfs::ctl
