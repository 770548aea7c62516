// SPDX-License-Identifier: MIT
#include "mmapdir/path_pattern.h"

#include <algorithm>
#include <utility>

namespace mmapdir {
namespace {

using Bytes = std::bitset<256>;

std::size_t value_of(char byte) { return static_cast<unsigned char>(byte); }

Bytes only(char byte) { return Bytes{}.set(value_of(byte)); }

Bytes all_but_slash() { return ~only('/'); }

}  // namespace

// Reads the text from left to right; the first fault ends it.
class PathPattern::Compiler {
 public:
  explicit Compiler(std::string_view text) : whole_(text), rest_(text) {}

  Result<std::vector<Token>> compile() {
    if (const char* const fault = find_fault()) {
      return std::unexpected(Error(std::errc::invalid_argument, "read the pattern", whole_, fault));
    }
    return std::move(tokens_);
  }

 private:
  const char* find_fault();
  const char* find_fault_of_component();
  const char* take_token();
  const char* take_set();
  const char* take_range(Bytes& set);
  void take_stars();

  bool at_component_end() const { return rest_.empty() || rest_.front() == '/'; }
  bool starts_with(std::string_view prefix) const { return rest_.starts_with(prefix); }
  char take() {
    const char byte = rest_.front();
    rest_.remove_prefix(1);
    return byte;
  }
  void add_directories() {
    tokens_.push_back({.kind = Kind::kDirectories});
    tokens_.push_back({.kind = Kind::kBytes});
    tokens_.push_back({.kind = Kind::kByte, .set = only('/')});
  }

  const std::string_view whole_;
  std::string_view rest_;
  std::vector<Token> tokens_;
};

const char* PathPattern::Compiler::find_fault() {
  if (whole_.contains('\0')) {
    return "it holds a NUL; allowed are the bytes that names can have";
  }
  if (!whole_.contains('/')) {
    add_directories();
  } else if (starts_with("/")) {
    take();
  }
  while (true) {
    if (const char* const fault = find_fault_of_component()) {
      return fault;
    }
    if (rest_.empty()) {
      return nullptr;
    }
    take();  // the slash
    tokens_.push_back({.kind = Kind::kByte, .set = only('/')});
  }
}

const char* PathPattern::Compiler::find_fault_of_component() {
  // Any number of directories with their slashes, as long as something follows them.
  while (starts_with("**/")) {
    rest_.remove_prefix(3);
    add_directories();
  }
  const auto name = rest_.substr(0, rest_.find('/'));
  if (name.empty()) {
    if (whole_.empty()) {
      return "it is empty; allowed is a glob, such as '*.idx'";
    }
    return whole_.ends_with('/')
               ? "it ends with '/'; allowed is a name there, and a directory's files are 'name/**'"
               : "it holds an empty name; allowed is one '/' between two names";
  }
  if (name == "." || name == "..") {
    return "it holds '.' or '..'; allowed are names beneath the root";
  }
  while (!at_component_end()) {
    if (const char* const fault = take_token()) {
      return fault;
    }
  }
  return nullptr;
}

const char* PathPattern::Compiler::take_token() {
  if (starts_with("*")) {
    take_stars();
    return nullptr;
  }
  const char byte = take();
  if (byte == '[') {
    return take_set();
  }
  if (byte == '?') {
    tokens_.push_back({.kind = Kind::kByte, .set = all_but_slash()});
    return nullptr;
  }
  if (byte == '\\' && at_component_end()) {
    return "a name in it ends with a backslash; allowed is '\\\\' for one that is meant itself";
  }
  tokens_.push_back({.kind = Kind::kByte, .set = only(byte == '\\' ? take() : byte)});
  return nullptr;
}

void PathPattern::Compiler::take_stars() {
  const auto end = rest_.find_first_not_of('*');
  const auto stars = std::min(end, rest_.size());
  rest_.remove_prefix(stars);
  tokens_.push_back({.kind = stars > 1 ? Kind::kBytes : Kind::kNameBytes});
}

const char* PathPattern::Compiler::take_set() {
  Bytes set;
  const bool is_negated = starts_with("!") || starts_with("^");
  if (is_negated) {
    take();
  }
  bool is_first = true;
  while (is_first || !starts_with("]")) {
    if (const char* const fault = take_range(set)) {
      return fault;
    }
    is_first = false;
  }
  take();
  tokens_.push_back({.kind = Kind::kByte, .set = (is_negated ? ~set : set) & all_but_slash()});
  return nullptr;
}

// One byte, or two with a hyphen between them.
const char* PathPattern::Compiler::take_range(Bytes& set) {
  constexpr const char* kUnclosed =
      "it holds a '[' without its ']'; allowed are '[...]', and '\\[' for one that is meant itself";
  const auto take_bound = [&] {
    return starts_with("\\") && rest_.size() > 1 ? (take(), take()) : take();
  };
  if (rest_.empty()) {
    return kUnclosed;
  }
  const auto low = value_of(take_bound());
  auto high = low;
  if (starts_with("-") && !starts_with("-]")) {
    take();
    if (rest_.empty()) {
      return kUnclosed;
    }
    high = value_of(take_bound());
  }
  if (high < low) {
    return "it holds a reversed range; allowed are ranges that go upwards, such as '[a-z]'";
  }
  for (auto byte = low; byte <= high; ++byte) {
    set.set(byte);
  }
  return nullptr;
}

// Every way in which the tokens can match what was read so far, side by side: nothing is ever tried
// a second time.
class PathPattern::Run {
 public:
  explicit Run(const std::vector<Token>& tokens)
      : tokens_(tokens), reached_(tokens.size() + 1), next_(tokens.size() + 1) {
    reached_.front() = true;
    skip_what_may_be_empty();
  }

  void read(std::string_view text) {
    for (const char byte : text) {
      step(byte);
    }
  }

  bool is_complete() const { return reached_.back(); }

  // Whether anything that follows could complete it.
  bool is_alive() const {
    const auto end = reached_.end() - 1;
    return std::find(reached_.begin(), end, true) != end;
  }

 private:
  void step(char byte) {
    next_.assign(next_.size(), false);
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (!reached_[i]) {
        continue;
      }
      const auto kind = tokens_[i].kind;
      if (kind == Kind::kByte && tokens_[i].set.test(value_of(byte))) {
        next_[i + 1] = true;
      } else if (kind == Kind::kBytes || (kind == Kind::kNameBytes && byte != '/')) {
        next_[i] = true;
      }
    }
    reached_.swap(next_);
    skip_what_may_be_empty();
  }

  // Tokens are only ever skipped forwards, so one pass finds them all.
  void skip_what_may_be_empty() {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (reached_[i] && tokens_[i].kind != Kind::kByte) {
        reached_[i + 1] = true;
        if (tokens_[i].kind == Kind::kDirectories) {
          reached_[i + 3] = true;
        }
      }
    }
  }

  const std::vector<Token>& tokens_;
  // By token: whether those before it match what was read.
  std::vector<bool> reached_;
  std::vector<bool> next_;
};

Result<PathPattern> PathPattern::compile(std::string_view text) {
  auto tokens = Compiler(text).compile();
  if (!tokens) {
    return std::unexpected(tokens.error());
  }
  PathPattern pattern(text);
  pattern.tokens_ = std::move(*tokens);
  return pattern;
}

bool PathPattern::matches(std::string_view path) const {
  Run run(tokens_);
  run.read(path);
  return run.is_complete();
}

bool PathPattern::may_match_beneath(std::string_view directory) const {
  Run run(tokens_);
  run.read(directory);
  if (!directory.empty()) {
    run.read("/");
  }
  return run.is_alive();
}

}  // namespace mmapdir
