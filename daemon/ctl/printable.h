// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mmapdirfs::ctl {

// Which characters the reader's terminal or page shows.
enum class Charset { kUtf8, kAscii };

// A name or message that a stranger may have chosen, safe to write to a terminal and on one line:
// control characters, and those that turn the direction of writing around, become \n, \x1b,
// \u202e; bytes that aren't UTF-8 become \xff. For kAscii all that isn't ASCII is written so.
std::string printable(std::string_view text, Charset charset = Charset::kUtf8);

// How many columns of a terminal printable text takes.
std::size_t columns_of(std::string_view printable);

// Printable text in exactly that many columns: filled up with blanks, or cut in the middle, as the
// ends of a path tell most.
std::string fit(std::string_view printable, std::size_t columns, Charset charset = Charset::kUtf8);

}  // namespace mmapdirfs::ctl
