// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "support/guarded.h"

namespace mmapdirfs {

// Who may read a document.
enum class DocumentAudience {
  kEverybody,  // who gets into the mount
  kOwner,      // root and the daemon's user
};

// A file of the control directory: a text that is made when it is asked for. Any thread may call.
class Document {
 public:
  using Provider = std::function<std::string()>;
  using Text = std::shared_ptr<const std::string>;

  // A text that all readers share, and when it was made.
  struct Snapshot {
    Text text;
    std::chrono::system_clock::time_point made;
  };

  Document(std::string name, DocumentAudience audience, Provider provider)
      : name_(std::move(name)), audience_(audience), provider_(std::move(provider)) {}

  const std::string& name() const { return name_; }
  mode_t permissions() const { return audience_ == DocumentAudience::kEverybody ? 0444 : 0400; }
  bool is_for(uid_t caller) const;

  Text make() const { return std::make_shared<const std::string>(provider_()); }

  // Made anew if nobody has asked for a while: a program that reads a long text in pieces, asking
  // for its length now and then, gets pieces of one text.
  Snapshot renewed_snapshot() const;
  // The last one.
  Snapshot snapshot() const;

 private:
  struct State {
    Snapshot snapshot{};
    std::chrono::steady_clock::time_point asked{};
  };

  const std::string name_;
  const DocumentAudience audience_;
  const Provider provider_;
  mutable mmapdir::Guarded<State> state_;
};

}  // namespace mmapdirfs
