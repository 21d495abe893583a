// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/indices.h"

#include <algorithm>

#include "backends/onednn/moves.h"
#include "base/check.h"
#include "kernels/gather.h"
#include "kernels/one_hot.h"

namespace tfengine::onednn {

using List = std::vector<int64_t>;

namespace {

template <typename Index>
void check_indices(const std::string& where, const Index* indices, int64_t count, int64_t limit) {
  Index low = 0, high = 0;
  for (int64_t i = 0; i < count; ++i) {
    low = std::min(low, indices[i]);
    high = std::max(high, indices[i]);
  }
  if (low < 0 || static_cast<int64_t>(high) >= limit) {
    fail<InvalidModel>("{}: index {} is out of range for an axis of size {}", where, low < 0 ? low : high, limit);
  }
}

template <typename Index>
void gather_batches(const std::string& where, const kernels::GatherShape& shape, int64_t batches, const StepArgs& args,
                    int threads) {
  const auto* indices = static_cast<const Index*>(args.src[1]);
  check_indices(where, indices, batches * shape.count, shape.axis);
  for (int64_t b = 0; b < batches; ++b) {
    kernels::gather(shape,
                    static_cast<const std::byte*>(args.src[0]) + b * shape.outer * shape.axis * shape.inner_bytes,
                    indices + b * shape.count,
                    static_cast<std::byte*>(args.dst[0]) + b * shape.outer * shape.count * shape.inner_bytes, threads);
  }
}

}  // namespace

Tactics gather_tactics(const StepSpec& spec) {
  if (auto refusal = moves_refusal(spec, 0)) return *refusal;
  const DType index = spec.inputs[1].dtype;
  if ((index != DType::S32 && index != DType::S64) || !spec.inputs[1].dense())
    return Refusal{"its indices are neither int32 nor int64"};
  const auto given = spec.inputs.size() > 2 ? constant_ints(spec, 2) : std::optional<List>(List{0});
  if (!given || given->size() != 1) return Refusal{"its axis is computed at run time; it must be constant"};
  const Shape &in = spec.inputs[0].shape, &indices = spec.inputs[1].shape;
  const auto axis = static_cast<size_t>((*given)[0] < 0 ? (*given)[0] + static_cast<int64_t>(in.rank()) : (*given)[0]);
  int64_t batch_dims = spec.node->attr_or<int64_t>("batch_dims", 0);
  if (batch_dims < 0) batch_dims += static_cast<int64_t>(indices.rank());
  int64_t batches = 1;
  kernels::GatherShape shape;
  for (size_t i = 0; i < axis; ++i) (static_cast<int64_t>(i) < batch_dims ? batches : shape.outer) *= in[i];
  shape.axis = in[axis];
  shape.inner_bytes = static_cast<int64_t>(dtype_bytes(spec.inputs[0].dtype));
  for (size_t i = axis + 1; i < in.rank(); ++i) shape.inner_bytes *= in[i];
  shape.count = batches > 0 ? indices.elements() / batches : 0;
  const int threads = spec.threads;
  const std::string where = spec.node->op + " '" + spec.node->name + "'";
  return std::vector<Tactic>{plain_tactic("own:gather", [=](const StepArgs& args) {
    index == DType::S32 ? gather_batches<int32_t>(where, shape, batches, args, threads)
                        : gather_batches<int64_t>(where, shape, batches, args, threads);
  })};
}

namespace {

// Positions along several axes as one along all of them.
template <typename Index>
void flatten_indices(const std::string& where, const List& sizes, int64_t count, const Index* indices, int64_t* flat) {
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = 0;
    for (size_t axis = 0; axis < sizes.size(); ++axis) {
      const auto index =
          static_cast<int64_t>(indices[i * static_cast<int64_t>(sizes.size()) + static_cast<int64_t>(axis)]);
      if (index < 0 || index >= sizes[axis]) {
        fail<InvalidModel>("{}: index {} is out of range for an axis of size {}", where, index, sizes[axis]);
      }
      at = at * sizes[axis] + index;
    }
    flat[i] = at;
  }
}

}  // namespace

Tactics gather_nd_tactics(const StepSpec& spec) {
  if (auto refusal = moves_refusal(spec, 0)) return *refusal;
  const DType index = spec.inputs[1].dtype;
  if ((index != DType::S32 && index != DType::S64) || !spec.inputs[1].dense())
    return Refusal{"its indices are neither int32 nor int64"};
  const Shape &in = spec.inputs[0].shape, &indices = spec.inputs[1].shape;
  const auto depth = static_cast<size_t>(indices.back());
  if (depth == 0) return Refusal{"its indices name no axis"};
  const List sizes(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(depth));
  kernels::GatherShape shape;
  for (const int64_t size : sizes) shape.axis *= size;
  shape.inner_bytes = static_cast<int64_t>(dtype_bytes(spec.inputs[0].dtype));
  for (size_t i = depth; i < in.rank(); ++i) shape.inner_bytes *= in[i];
  shape.count = indices.elements() / indices.back();
  const int threads = spec.threads;
  const std::string where = spec.node->op + " '" + spec.node->name + "'";
  return std::vector<Tactic>{plain_tactic(
      "own:gather_nd",
      [=](const StepArgs& args) {
        auto* flat = static_cast<int64_t*>(args.workspace);
        index == DType::S32
            ? flatten_indices(where, sizes, shape.count, static_cast<const int32_t*>(args.src[1]), flat)
            : flatten_indices(where, sizes, shape.count, static_cast<const int64_t*>(args.src[1]), flat);
        kernels::gather(shape, args.src[0], flat, args.dst[0], threads);
      },
      static_cast<size_t>(shape.count) * sizeof(int64_t))};
}

Tactics one_hot_tactics(const StepSpec& spec) {
  const DType index = spec.inputs[0].dtype;
  const Shape& out = spec.outputs[0].shape;
  const size_t bytes = dtype_bytes(spec.outputs[0].dtype);
  if (index != DType::S32 && index != DType::S64 && index != DType::U8)
    return Refusal{"its indices are of a rare type"};
  if (bytes == 0 || bytes > 8 || spec.outputs[0].quant.defined() || !spec.outputs[0].dense() ||
      !spec.inputs[0].dense()) {
    return Refusal{"its output is a slice"};
  }
  int64_t axis = spec.node->attr_or<int64_t>("axis", -1);
  if (axis < 0) axis += static_cast<int64_t>(out.rank());
  kernels::OneHotShape shape;
  for (size_t i = 0; i < out.rank(); ++i) {
    const auto at = static_cast<int64_t>(i);
    (at < axis ? shape.outer : at == axis ? shape.depth : shape.inner) *= out[i];
  }
  shape.elem_bytes = static_cast<int64_t>(bytes);
  shape.index_bytes = static_cast<int64_t>(dtype_bytes(index));
  const int threads = spec.threads;
  return std::vector<Tactic>{plain_tactic("own:one_hot", [=](const StepArgs& args) {
    kernels::one_hot(shape, args.src[0], args.src[2], args.src[3], args.dst[0], threads);
  })};
}

}  // namespace tfengine::onednn
