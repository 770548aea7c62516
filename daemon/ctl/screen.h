// SPDX-License-Identifier: MIT
#pragma once

#include <termios.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace mmapdirfs::ctl {

// The terminal's alternate screen, with keys coming one by one and unseen, for as long as the
// object lives: what stood there before stands there again afterwards, also after a signal that
// asks to end (see StopSignals, which must outlive it) and while the program is stopped by Ctrl-Z.
// A resource type; one at a time.
class Screen {
 public:
  Screen(int input, int output);
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  ~Screen();

  // Replaces the whole picture in one piece.
  void draw(const std::vector<std::string>& lines) const;

  enum class Event { kTime, kQuit, kChange };
  // Waits for a while, or until the user wants to quit (q, or a signal) or the picture has to be
  // drawn again (another size, back from Ctrl-Z, any other key).
  Event wait(std::chrono::milliseconds time) const;

 private:
  void enter() const;
  void leave() const;
  void write_all(const std::string& text) const;

  int input_;
  int output_;
  std::optional<termios> before_;  // nothing if the input is no terminal
};

}  // namespace mmapdirfs::ctl
