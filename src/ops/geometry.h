// SPDX-License-Identifier: Apache-2.0
// Window arithmetic of convolutions and pooling, NHWC, shared by inference, evaluation and the backends.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "ir/graph.h"

namespace tfengine::ops {

struct Window {
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  int64_t out_h = 0, out_w = 0;
};

// From attributes strides, dilations, padding ("SAME", "VALID", "EXPLICIT" with explicit_paddings), all in NHWC order,
// for an input of in_h x in_w (may be -1: out is -1 and, for SAME, pads are 0). InvalidModel naming the node if malformed.
Window conv_window(const ir::Node& node, int64_t in_h, int64_t in_w, int64_t kernel_h, int64_t kernel_w);
// As above with the kernel from attribute ksize.
Window pool_window(const ir::Node& node, int64_t in_h, int64_t in_w);

// data_format NCHW and the lists in its order (strides, dilations, ksize, explicit_paddings) become those of NHWC.
// InvalidModel naming the node on a list of another length.
void to_nhwc(std::string_view node_name, ir::Attrs& attrs);

}  // namespace tfengine::ops
