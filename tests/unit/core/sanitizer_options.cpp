// SPDX-License-Identifier: MIT
//
// Read by the sanitizers' run-times when there are any. An allocation that can't be had is then an
// answer, as it is without them: file_slice_test.cpp asks for one.

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the run-times' names
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
extern "C" const char* __tsan_default_options() { return "allocator_may_return_null=1"; }
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
