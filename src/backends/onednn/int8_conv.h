// SPDX-License-Identifier: Apache-2.0
// Our own INT8 convolution as tactics, for Conv2D and for matrix products seen as 1x1 convolutions.
#pragma once

#include "backends/onednn/support.h"
#include "kernels/conv_int8.h"

namespace tfengine::onednn {

// weights: S8 [kh, kw, ic/groups, oc]; scales: per output channel, source times weights.
void add_int8_conv_tactics(const StepSpec& spec, const kernels::ConvShape& shape, const Tensor& weights,
                           const std::vector<float>& scales, std::vector<Tactic>& tactics);

}  // namespace tfengine::onednn
