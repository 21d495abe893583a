// SPDX-License-Identifier: Apache-2.0
// Moving pixels: DepthToSpace, SpaceToDepth (block_size), SpaceToBatchND, BatchToSpaceND (block shape, paddings or
// crops). Each is a reshape, a transposition and a reshape.
#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

int64_t block_size(const ir::Node& node) {
  require_nhwc(node);
  const int64_t block = node.attr<int64_t>("block_size");
  if (block < 1 || block > 4096) bad_node(node, "block_size is {}, expected 1 to 4096", block);
  return block;
}

int64_t divided(const ir::Node& node, int64_t dim, int64_t by, const char* what) {
  if (dim < 0) return -1;
  if (dim % by != 0) bad_node(node, "{} is {}, expected a multiple of {}", what, dim, by);
  return dim / by;
}

int64_t times(int64_t dim, int64_t by) { return dim < 0 ? -1 : dim * by; }

std::vector<TypeInfo> infer_depth_to_space(const InferContext& context) {
  require_inputs(context, 1);
  const int64_t block = block_size(context.node);
  TypeInfo type = context.inputs[0];
  if (!has_rank(context, 0, 4)) return {{type.dtype, unknown_dims(4)}};
  const Shape& in = context.inputs[0].shape;
  type.shape = {in[0], times(in[1], block), times(in[2], block),
                divided(context.node, in[3], block * block, "the number of channels")};
  return {type};
}

std::vector<TypeInfo> infer_space_to_depth(const InferContext& context) {
  require_inputs(context, 1);
  const int64_t block = block_size(context.node);
  TypeInfo type = context.inputs[0];
  if (!has_rank(context, 0, 4)) return {{type.dtype, unknown_dims(4)}};
  const Shape& in = context.inputs[0].shape;
  type.shape = {in[0], divided(context.node, in[1], block, "the height"),
                divided(context.node, in[2], block, "the width"), times(in[3], block * block)};
  return {type};
}

// `dims` are the input's, split; axis i of the result is axis order[i] of them.
Tensor shuffle(const Tensor& input, const Shape& dims, const std::vector<size_t>& order, const Shape& out) {
  const std::vector<int64_t> strides = dense_strides(dims);
  Shape moved;
  Walk walk;
  for (const size_t axis : order) {
    moved.dims().push_back(dims[axis]);
    walk.strides.push_back(strides[axis]);
  }
  return take_strided(input, walk, moved).reshaped(out);
}

std::vector<Tensor> evaluate_depth_to_space(const ir::Node& node, std::span<const Tensor> inputs) {
  const Shape out = infer_exact(infer_depth_to_space, node, inputs)[0].shape;
  const Shape& in = inputs[0].shape();
  const int64_t block = block_size(node);
  return {shuffle(inputs[0], {in[0], in[1], in[2], block, block, out[3]}, {0, 1, 3, 2, 4, 5}, out)};
}

std::vector<Tensor> evaluate_space_to_depth(const ir::Node& node, std::span<const Tensor> inputs) {
  const Shape out = infer_exact(infer_space_to_depth, node, inputs)[0].shape;
  const Shape& in = inputs[0].shape();
  const int64_t block = block_size(node);
  return {shuffle(inputs[0], {in[0], out[1], block, out[2], block, in[3]}, {0, 1, 3, 2, 4, 5}, out)};
}

struct Blocks {
  Elements sizes;   // per spatial axis
  Elements margin;  // before and after, per spatial axis
};

// nullopt while block shape, paddings or crops are unknown.
std::optional<Blocks> blocks_of(const InferContext& context) {
  const auto sizes = known_ints(context, 1), margin = known_ints(context, 2);
  if (!sizes || !margin) return std::nullopt;
  const Shape& in = context.inputs[0].shape;
  if (margin->size() != 2 * sizes->size() || (in.ranked() && in.rank() <= sizes->size())) {
    bad_node(context.node, "has {} block sizes and {} margins for an input of shape {}", sizes->size(), margin->size(),
             in.str());
  }
  const auto within = [](const Elements& list, int64_t low) {
    for (const int64_t entry : list) {
      if (entry < low || entry > (1 << 20)) return false;
    }
    return true;
  };
  if (!within(*sizes, 1) || !within(*margin, 0)) {
    bad_node(context.node, "its block sizes are [{}] and its margins [{}], expected positive numbers",
             fmt::join(*sizes, ","), fmt::join(*margin, ","));
  }
  return Blocks{*sizes, *margin};
}

template <bool kToBatch>
std::vector<TypeInfo> infer_batch(const InferContext& context) {
  require_inputs(context, 3);
  const TypeInfo& input = context.inputs[0];
  const auto blocks = blocks_of(context);
  if (!input.shape.ranked()) return {input};
  if (!blocks) return {{input.dtype, unknown_dims(input.shape.rank())}};
  Shape out = input.shape;
  for (size_t i = 0; i < blocks->sizes.size(); ++i) {
    const int64_t size = blocks->sizes[i], margin = blocks->margin[2 * i] + blocks->margin[2 * i + 1];
    int64_t& dim = out[i + 1];
    if constexpr (kToBatch) {
      out[0] = times(out[0], size);
      dim = dim < 0 ? -1 : divided(context.node, dim + margin, size, "a padded axis");
    } else {
      out[0] = divided(context.node, out[0], size, "the batch size");
      dim = dim < 0 ? -1 : dim * size - margin;
      if (dim < -1 || (dim == -1 && input.shape[i + 1] >= 0))
        bad_node(context.node, "crops more than axis {} holds", i + 1);
    }
  }
  return {{input.dtype, out}};
}

Blocks exact_blocks(const ir::Node& node, std::span<const Tensor> inputs) {
  std::vector<TypeInfo> types;
  for (const Tensor& input : inputs) types.push_back({input.dtype(), input.shape()});
  return *blocks_of({node, types, inputs});
}

std::vector<Tensor> evaluate_space_to_batch(const ir::Node& node, std::span<const Tensor> inputs) {
  const Shape out = infer_exact(infer_batch<true>, node, inputs)[0].shape;
  const Blocks blocks = exact_blocks(node, inputs);
  const size_t spatial = blocks.sizes.size();
  const Shape& in = inputs[0].shape();
  Shape padded_shape = in;
  for (size_t i = 0; i < spatial; ++i) padded_shape[i + 1] = out[i + 1] * blocks.sizes[i];
  Tensor padded(inputs[0].dtype(), padded_shape);
  Walk inside{0, dense_strides(padded_shape)};
  for (size_t i = 0; i < spatial; ++i) inside.offset += blocks.margin[2 * i] * inside.strides[i + 1];
  copy_strided(inputs[0].data(), {0, dense_strides(in)}, padded.mutable_data(), inside, in,
               dtype_bytes(padded.dtype()));
  Shape split{in[0]};
  std::vector<size_t> order;
  for (size_t i = 0; i < spatial; ++i) {
    split.dims().push_back(out[i + 1]);
    split.dims().push_back(blocks.sizes[i]);
    order.push_back(2 * i + 2);
  }
  order.push_back(0);
  for (size_t i = 0; i < spatial; ++i) order.push_back(2 * i + 1);
  for (size_t axis = spatial + 1; axis < in.rank(); ++axis) {
    order.push_back(split.rank());
    split.dims().push_back(in[axis]);
  }
  return {shuffle(padded, split, order, out)};
}

std::vector<Tensor> evaluate_batch_to_space(const ir::Node& node, std::span<const Tensor> inputs) {
  const Shape out = infer_exact(infer_batch<false>, node, inputs)[0].shape;
  const Blocks blocks = exact_blocks(node, inputs);
  const size_t spatial = blocks.sizes.size();
  const Shape& in = inputs[0].shape();
  Shape split(blocks.sizes);
  split.dims().push_back(out[0]);
  for (size_t axis = 1; axis < in.rank(); ++axis) split.dims().push_back(in[axis]);
  Shape whole = in;
  whole[0] = out[0];
  std::vector<size_t> order{spatial};
  for (size_t i = 0; i < spatial; ++i) {
    order.push_back(spatial + 1 + i);
    order.push_back(i);
    whole[i + 1] *= blocks.sizes[i];
  }
  for (size_t axis = spatial + 1; axis < in.rank(); ++axis) order.push_back(spatial + axis);
  const Tensor uncropped = shuffle(inputs[0], split, order, whole);
  Walk walk{0, dense_strides(whole)};
  for (size_t i = 0; i < spatial; ++i) walk.offset += blocks.margin[2 * i] * walk.strides[i + 1];
  return {take_strided(uncropped, walk, out)};
}

}  // namespace

std::vector<Op> space_depth_ops() {
  const Int8Rule passes{.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll};
  return {
      {.name = "DepthToSpace", .infer = infer_depth_to_space, .evaluate = evaluate_depth_to_space, .int8 = passes},
      {.name = "SpaceToDepth", .infer = infer_space_to_depth, .evaluate = evaluate_space_to_depth, .int8 = passes},
      {.name = "SpaceToBatchND", .infer = infer_batch<true>, .evaluate = evaluate_space_to_batch, .int8 = passes},
      {.name = "BatchToSpaceND", .infer = infer_batch<false>, .evaluate = evaluate_batch_to_space, .int8 = passes},
  };
}

}  // namespace tfengine::ops
