// SPDX-License-Identifier: Apache-2.0
// The window of an ExtractImagePatches node, shared by its evaluation and the backends.
#pragma once

#include "ops/geometry.h"

namespace tfengine::ops {

// As conv_window(), from the attributes ksizes, strides, rates and padding.
Window patch_window(const ir::Node& node, int64_t in_h, int64_t in_w);

}  // namespace tfengine::ops
