// SPDX-License-Identifier: Apache-2.0
// The CPU backend: oneDNN's primitives and our own kernels as tactics of one list per op.
#pragma once

#include "plan/backend.h"

namespace tfengine::onednn {

const plan::Backend& onednn_backend();

// Of some 10 MiB of oneDNN's code that choosing, generating and packing run through, runs need little: they run what was
// generated.
void drop_planning_code() noexcept;

}  // namespace tfengine::onednn
