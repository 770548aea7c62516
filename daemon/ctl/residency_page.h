// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "ctl/residency.h"

namespace mmapdirfs::ctl {

// The picture as a file that needs nothing else: no script from elsewhere, no font, no image. It
// follows the reader's choice of light or dark. Names are escaped, whatever they hold.
struct ResidencyPage {
  std::string title;  // what is shown, for the heading
  std::string when;   // when it was so
};

std::string residency_svg(const std::vector<FileResidency>& files, const ResidencyPage& page);
// Can be searched and sorted as well.
std::string residency_html(const std::vector<FileResidency>& files, const ResidencyPage& page);

// Text that stands for itself in XML and HTML, also in quotes.
std::string escape_markup(std::string_view text);

}  // namespace mmapdirfs::ctl
