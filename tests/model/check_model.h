// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "model_run.h"

namespace mmapdir::test {

// Fails with the shortest list of operations that was found to do the same.
void check_model(Model::Setup setup, const std::vector<Operation>& operations);

}  // namespace mmapdir::test
