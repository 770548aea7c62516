// SPDX-License-Identifier: MIT
#include "fs/directory_cookies.h"

namespace mmapdirfs {
namespace {

// hash2pos, fs/ext4/dir.c (Linux 6.18): (hash >> 1) << 32 | minor hash.
constexpr unsigned kMinorBits = 32;

std::uint64_t major_of(std::uint64_t position) { return position >> kMinorBits; }

}  // namespace

std::uint64_t DirectoryCookies::cookie_of(std::uint64_t before, std::uint64_t position) {
  if (!is_hashed_) {
    return position;
  }
  const std::uint64_t major = major_of(position);
  const bool is_first = major != major_of(before) && major != 0;
  if (is_first && remembered_ == 0) {
    return major;
  }
  auto names = names_.lock();
  // The same position means the same cookie, and no cookie means two.
  if (const auto known = names->cookies.find(position); known != names->cookies.end()) {
    return known->second;
  }
  if (is_first && !names->positions.contains(major)) {
    return major;
  }
  const std::uint64_t cookie = remember(*names, position);
  remembered_ = names->positions.size();
  return cookie;
}

// Behind the name's own half there is room, as a rule: halves are spread over 31 bits.
std::uint64_t DirectoryCookies::remember(Remembered& remembered, std::uint64_t position) {
  std::uint64_t cookie = major_of(position);
  do {
    cookie = cookie >= kMax - 1 ? 2 : cookie + 1;  // 1 is that of "..", kMax the end's
  } while (remembered.positions.contains(cookie));
  remembered.cookies.emplace(position, cookie);
  remembered.positions.emplace(cookie, position);
  return cookie;
}

std::uint64_t DirectoryCookies::position_of(std::uint64_t cookie) const {
  if (!is_hashed_ || cookie > kMax) {
    return cookie;
  }
  if (remembered_ > 0) {
    auto names = names_.lock();
    if (const auto known = names->positions.find(cookie); known != names->positions.end()) {
      return known->second;
    }
  }
  return cookie << kMinorBits;
}

CookiesOfDirectories::Shared CookiesOfDirectories::of(NodeId directory) {
  auto directories = directories_.lock();
  Shared& cookies = directories->try_emplace(directory).first->second;
  if (!cookies) {
    cookies = std::make_shared<DirectoryCookies>();
  }
  count_ = directories->size();
  return cookies;
}

// Another one that is still under way has its own share.
void CookiesOfDirectories::release(NodeId directory) {
  auto directories = directories_.lock();
  const auto found = directories->find(directory);
  constexpr long kOwnAndReleased = 2;
  if (found != directories->end() && found->second.use_count() <= kOwnAndReleased &&
      !found->second->remembers_any()) {
    directories->erase(found);
  }
  count_ = directories->size();
}

void CookiesOfDirectories::forget(NodeId directory) {
  if (count_ > 0) {
    auto directories = directories_.lock();
    directories->erase(directory);
    count_ = directories->size();
  }
}

}  // namespace mmapdirfs
