// SPDX-License-Identifier: Apache-2.0
// Pad (zeros), PadV2 (a given value), MirrorPad (REFLECT, SYMMETRIC). Input 1 holds [before, after] per axis.
#include <cstring>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_pad(const InferContext& context) {
  require_inputs(context, 2);
  const TypeInfo& input = context.inputs[0];
  const auto paddings = partial_ints(context, 1);
  if (!paddings)
    return {{input.dtype, input.shape.ranked() ? unknown_dims(input.shape.rank()) : Shape::unknown_rank()}};
  const size_t rank = paddings->size() / 2;
  if (paddings->size() % 2 != 0 || (input.shape.ranked() && input.shape.rank() != rank)) {
    bad_node(context.node, "has {} paddings for an input of shape {}, expected two per axis", paddings->size(),
             input.shape.str());
  }
  Shape out = unknown_dims(rank);
  for (size_t axis = 0; axis < rank; ++axis) {
    const int64_t before = (*paddings)[2 * axis], after = (*paddings)[2 * axis + 1];
    if (before == kUnknownElement || after == kUnknownElement) continue;
    // 2^32: no real padding, and sums of it stay exact.
    if (before < 0 || after < 0 || before > (int64_t{1} << 32) || after > (int64_t{1} << 32)) {
      bad_node(context.node, "pads axis {} by {} and {}, expected numbers from 0 on", axis, before, after);
    }
    if (input.shape.ranked() && input.shape[axis] >= 0) out[axis] = input.shape[axis] + before + after;
  }
  return {{input.dtype, out}};
}

std::vector<Tensor> evaluate_pad(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_pad, node, inputs);
  const Tensor& input = inputs[0];
  const size_t bytes = dtype_bytes(input.dtype());
  if (inputs.size() > 2) {
    if (inputs[2].dtype() != input.dtype() || inputs[2].elements() != 1) {
      bad_node(node, "its padding value is {} {}, expected one {}", dtype_name(inputs[2].dtype()),
               inputs[2].shape().str(), dtype_name(input.dtype()));
    }
    auto* to = output.mutable_as<std::byte>();
    for (int64_t i = 0; i < output.elements(); ++i)
      std::memcpy(to + static_cast<size_t>(i) * bytes, inputs[2].data(), bytes);
  }
  const std::vector<int64_t> paddings = as_ints(inputs[1]);
  Walk walk{0, dense_strides(output.shape())};
  for (size_t axis = 0; axis < walk.strides.size(); ++axis) walk.offset += paddings[2 * axis] * walk.strides[axis];
  copy_strided(input.data(), {0, dense_strides(input.shape())}, output.mutable_data(), walk, input.shape(), bytes);
  return {output};
}

std::vector<TypeInfo> infer_mirror_pad(const InferContext& context) {
  const std::vector<TypeInfo> types = infer_pad(context);
  const auto& mode = context.node.attr<std::string>("mode");
  if (mode != "REFLECT" && mode != "SYMMETRIC")
    bad_node(context.node, "mode is '{}', expected REFLECT or SYMMETRIC", mode);
  const auto paddings = known_ints(context, 1);
  const Shape& in = context.inputs[0].shape;
  if (!paddings || !in.ranked()) return types;
  for (size_t i = 0; i < paddings->size(); ++i) {
    const int64_t limit = in[i / 2] - (mode == "REFLECT" ? 1 : 0);
    if (in[i / 2] >= 0 && (*paddings)[i] > limit) {
      bad_node(context.node, "pads axis {} of {} by {}, expected at most {}", i / 2, in.str(), (*paddings)[i], limit);
    }
  }
  return types;
}

// Mirrors one axis at a time, each from the result of the one before.
std::vector<Tensor> evaluate_mirror_pad(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_mirror_pad, node, inputs);
  const int64_t skip = node.attr<std::string>("mode") == "REFLECT" ? 1 : 0;
  const std::vector<int64_t> paddings = as_ints(inputs[1]);
  Tensor current = inputs[0];
  const size_t bytes = dtype_bytes(current.dtype());
  for (size_t axis = 0; axis < current.shape().rank(); ++axis) {
    const int64_t before = paddings[2 * axis], after = paddings[2 * axis + 1];
    const Shape in = current.shape();
    const int64_t size = in[axis];
    Shape out = in;
    out[axis] = before + size + after;
    Tensor next(current.dtype(), out);
    const std::vector<int64_t> from = dense_strides(in), to = dense_strides(out);
    const auto place = [&](int64_t src_start, int64_t src_step, int64_t dst_start, int64_t count) {
      Shape block = in;
      block[axis] = count;
      Walk src{src_start * from[axis], from};
      src.strides[axis] *= src_step;
      copy_strided(current.data(), src, next.mutable_data(), {dst_start * to[axis], to}, block, bytes);
    };
    place(0, 1, before, size);
    place(before - 1 + skip, -1, 0, before);
    place(size - 1 - skip, -1, before + size, after);
    current = next;
  }
  return {current};
}

}  // namespace

std::vector<Op> pad_ops() {
  const Int8Rule passes{.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll};
  return {
      {.name = "Pad", .infer = infer_pad, .evaluate = evaluate_pad, .int8 = passes},
      {.name = "PadV2", .infer = infer_pad, .evaluate = evaluate_pad},
      {.name = "MirrorPad", .infer = infer_mirror_pad, .evaluate = evaluate_mirror_pad, .int8 = passes},
  };
}

}  // namespace tfengine::ops
