// SPDX-License-Identifier: Apache-2.0
// Attention, ours: softmax(scale * q k^T + mask) v for each head. Queries are [batch, rows, heads, depth], keys [batch,
// columns, heads, depth], values [batch, columns, heads, width]; the mask, which may be left out, is added to the scores and
// broadcasts to [batch, heads, rows, columns]. The result is [batch, rows, heads, width]: as projections write heads, so
// that nothing is transposed.
#include <algorithm>
#include <cmath>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_attention(const InferContext& context) {
  if (context.inputs.size() != 4) require_inputs(context, 3);
  Shape dims[3];
  for (size_t i = 0; i < 3; ++i) dims[i] = has_rank(context, i, 4) ? context.inputs[i].shape : unknown_dims(4);
  const auto same = [&](int64_t a, int64_t b, const char* what) { return merge_dims(context.node, a, b, what); };
  const int64_t batch = same(same(dims[0][0], dims[1][0], "the keys' batch"), dims[2][0], "the values' batch");
  const int64_t heads = same(same(dims[0][2], dims[1][2], "the keys' heads"), dims[2][2], "the values' heads");
  const int64_t columns = same(dims[1][1], dims[2][1], "the number of values");
  same(dims[0][3], dims[1][3], "the keys' depth");
  if (context.inputs.size() == 4 && has_rank(context, 3, 4)) {
    const Shape scores = {batch, heads, dims[0][1], columns};
    const Shape& mask = context.inputs[3].shape;
    if (scores.is_static() && broadcast_shapes(context.node, scores, mask) != scores) {
      bad_node(context.node, "its mask has shape {}, expected one that broadcasts to {}", mask.str(), scores.str());
    }
  }
  return {{context.inputs[0].dtype, {batch, dims[0][1], heads, dims[2][3]}}};
}

// One row of scores becomes its softmax.
void normalise(std::vector<double>& scores) {
  const double most = *std::max_element(scores.begin(), scores.end());
  double sum = 0.0;
  for (double& score : scores) sum += score = std::exp(score - most);
  for (double& score : scores) score /= sum;
}

std::vector<Tensor> evaluate_attention(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_attention, node, inputs)[0];
  const Tensor q = as_f32(inputs[0]), k = as_f32(inputs[1]), v = as_f32(inputs[2]);
  const Tensor mask = inputs.size() == 4 ? as_f32(inputs[3]) : Tensor(DType::F32, Shape{1, 1, 1, 1});
  const int64_t batch = type.shape[0], rows = type.shape[1], heads = type.shape[2], width = type.shape[3];
  const int64_t columns = k.shape()[1], depth = k.shape()[3];
  const std::vector<int64_t> steps = broadcast_strides(mask.shape(), Shape{batch, heads, rows, columns});
  const double scale = node.attr_or<float>("scale", 1.0f);
  Tensor output(DType::F32, type.shape);
  if (columns == 0) return {cast_tensor(output, type.dtype)};
  std::vector<double> scores(static_cast<size_t>(columns));
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t h = 0; h < heads; ++h) {
        const float* query = q.as<float>() + ((b * rows + r) * heads + h) * depth;
        for (int64_t c = 0; c < columns; ++c) {
          const float* key = k.as<float>() + ((b * columns + c) * heads + h) * depth;
          double sum = 0.0;
          for (int64_t d = 0; d < depth; ++d) sum += static_cast<double>(query[d]) * key[d];
          scores[static_cast<size_t>(c)] =
              sum * scale + mask.as<float>()[b * steps[0] + h * steps[1] + r * steps[2] + c * steps[3]];
        }
        normalise(scores);
        float* out = output.mutable_as<float>() + ((b * rows + r) * heads + h) * width;
        for (int64_t w = 0; w < width; ++w) {
          double sum = 0.0;
          for (int64_t c = 0; c < columns; ++c) {
            sum += scores[static_cast<size_t>(c)] * v.as<float>()[((b * columns + c) * heads + h) * width + w];
          }
          out[w] = static_cast<float>(sum);
        }
      }
    }
  }
  return {cast_tensor(output, type.dtype)};
}

}  // namespace

std::vector<Op> attention_ops() {
  return {{.name = "Attention",
           .infer = infer_attention,
           .evaluate = evaluate_attention,
           .int8 = {.data_inputs = {0, 1, 2}}}};
}

}  // namespace tfengine::ops
