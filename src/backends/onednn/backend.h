// SPDX-License-Identifier: Apache-2.0
// The CPU backend: oneDNN's primitives and our own kernels as tactics of one list per op.
#pragma once

#include "plan/backend.h"

namespace tfengine::onednn {

const plan::Backend& onednn_backend();

}  // namespace tfengine::onednn
