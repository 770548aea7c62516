// SPDX-License-Identifier: MIT
#pragma once

#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <string>

namespace mmapdirfs {

// What Boost says of a mistake in a command line, and what of `options` is allowed instead: Boost
// names the option, but doesn't tell that.
std::string explain(const boost::program_options::error& mistake,
                    const boost::program_options::options_description& options);

}  // namespace mmapdirfs
