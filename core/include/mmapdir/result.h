// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <system_error>

namespace mmapdir {

// An expected failure: which error, what was being done, and to what. A value type.
//
// Every failure that the operating system can report arrives as an Error; an exception out of this
// library is a bug or std::bad_alloc. The code is always of std::generic_category(), so that
// `code() == std::errc::no_such_file_or_directory` works and errnum() is the errno of the call
// that failed, unchanged.
class Error {
 public:
  // `action` is a verb that fits before the subject ("open", "map"); it must outlive every Error
  // (a string literal). `subject` names the file or option; it may be empty.
  Error(std::errc code, const char* action, std::string_view subject = {});

  // `reason` stands in the message instead of the code's own text, which tells too little where the
  // subject itself is at fault: it says what is wrong and what is allowed. It, too, must outlive
  // every Error.
  Error(std::errc code, const char* action, std::string_view subject, const char* reason);

  // The one place where an errno becomes an Error; call it on the line of the system call.
  static Error from_errno(int errnum, const char* action, std::string_view subject = {});

  std::error_code code() const { return std::make_error_code(std::errc{errnum_}); }
  int errnum() const { return errnum_; }

  // One line for people: "open 'a/b': No such file or directory".
  std::string message() const;

 private:
  int errnum_;
  const char* action_;
  const char* reason_;
  std::string subject_;
};

template <class T>
using Result = std::expected<T, Error>;

}  // namespace mmapdir
