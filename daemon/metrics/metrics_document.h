// SPDX-License-Identifier: MIT
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "metrics/mount_figures.h"

namespace mmapdirfs {

// A mount's figures as Prometheus has them: names under mmapdirfs_, base units, and no label whose
// values could grow without bound.
std::vector<prometheus::MetricFamily> metric_families(const MountFigures& figures);

// In Prometheus's text format.
std::string metrics_document(const MountFigures& figures);

}  // namespace mmapdirfs
