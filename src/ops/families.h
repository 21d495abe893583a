// SPDX-License-Identifier: Apache-2.0
// The op families: each function stands in the file of its name and returns its ops. registry.cpp lists them.
#pragma once

#include <vector>

#include "ops/op.h"

namespace tfengine::ops {

std::vector<Op> activation_ops();
std::vector<Op> arg_reduce_ops();
std::vector<Op> attention_ops();
std::vector<Op> batch_norm_ops();
std::vector<Op> binary_ops();
std::vector<Op> bitcast_ops();
std::vector<Op> cast_ops();
std::vector<Op> combined_suppression_ops();
std::vector<Op> concat_ops();
std::vector<Op> control_flow_ops();
std::vector<Op> conv_ops();
std::vector<Op> conv3d_ops();
std::vector<Op> crop_and_resize_ops();
std::vector<Op> cumulative_ops();
std::vector<Op> data_format_ops();
std::vector<Op> einsum_ops();
std::vector<Op> fake_quant_ops();
std::vector<Op> fill_ops();
std::vector<Op> fourier_ops();
std::vector<Op> fused_elementwise_ops();
std::vector<Op> fused_node_ops();
std::vector<Op> gather_ops();
std::vector<Op> identity_ops();
std::vector<Op> layer_norm_ops();
std::vector<Op> lrn_ops();
std::vector<Op> matmul_ops();
std::vector<Op> matrix_band_ops();
std::vector<Op> non_max_suppression_ops();
std::vector<Op> pad_ops();
std::vector<Op> patches_ops();
std::vector<Op> pool_ops();
std::vector<Op> pool3d_ops();
std::vector<Op> quantize_ops();
std::vector<Op> range_quantize_ops();
std::vector<Op> reduce_ops();
std::vector<Op> reorder_ops();
std::vector<Op> reshape_ops();
std::vector<Op> resize_ops();
std::vector<Op> resize_smooth_ops();
std::vector<Op> scatter_ops();
std::vector<Op> segment_ops();
std::vector<Op> select_ops();
std::vector<Op> shape_ops();
std::vector<Op> slice_ops();
std::vector<Op> softmax_ops();
std::vector<Op> space_depth_ops();
std::vector<Op> split_ops();
std::vector<Op> tensor_list_ops();
std::vector<Op> topk_ops();
std::vector<Op> transpose_ops();
std::vector<Op> unary_ops();
std::vector<Op> unique_ops();

}  // namespace tfengine::ops
