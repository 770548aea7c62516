// SPDX-License-Identifier: MIT
#pragma once

namespace mmapdir::test {

// How bus_error_probe ends when what it was to show has happened; not a status of accidents.
inline constexpr int kProbeAsExpected = 42;

}  // namespace mmapdir::test
