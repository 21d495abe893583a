// SPDX-License-Identifier: Apache-2.0
// What the ops' inference functions share: errors that name the node, ranks, axes, broadcasting, known values.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "ops/op.h"

namespace tfengine::ops {

// "Conv2D 'block1/conv': ..."
template <typename... Args>
[[noreturn]] void bad_node(const ir::Node& node, fmt::format_string<Args...> format, Args&&... args) {
  fail<InvalidModel>("{} '{}': {}", node.op, node.name, fmt::format(format, std::forward<Args>(args)...));
}

void require_inputs(const InferContext& context, size_t count);
// False when the rank of input i is unknown; throws when it is another.
bool has_rank(const InferContext& context, size_t i, size_t rank);
// Throws unless data_format is absent or NHWC.
void require_nhwc(const ir::Node& node);

// In [0, rank), negative axes counting from the end.
size_t normalize_axis(const ir::Node& node, int64_t axis, size_t rank);
// The common dimension of two that must agree; throws when both are known and differ.
int64_t merge_dims(const ir::Node& node, int64_t a, int64_t b, const char* what);
Shape merge_shapes(const ir::Node& node, const Shape& a, const Shape& b);
Shape broadcast_shapes(const ir::Node& node, const Shape& a, const Shape& b);
Shape unknown_dims(size_t rank);
// Of images [batch, height, width, channels] at input 0 in the size [height, width] at input 1.
Shape resized_shape(const InferContext& context);
// The type of sums of products: the first input's. Where that is bfloat16, the attribute "Tout" may ask for float32.
DType product_dtype(const InferContext& context);

// All elements of input i if every one is known.
std::optional<Elements> known_ints(const InferContext& context, size_t i);
// Elements of input i, unknown ones marked; nullopt when nothing, not even their number, is known.
std::optional<Elements> partial_ints(const InferContext& context, size_t i);
// The one element of input i if known.
std::optional<int64_t> known_int(const InferContext& context, size_t i);

// A list attribute, empty when it is missing. (The type of an empty list is not recorded in a GraphDef.)
std::vector<int64_t> ints_attr(const ir::Node& node, std::string_view key);

// Inference with all inputs at hand; the outputs' shapes are static.
std::vector<TypeInfo> infer_exact(InferFn infer, const ir::Node& node, std::span<const Tensor> inputs);
// The first output's zeroed tensor, as inferred.
Tensor make_output(InferFn infer, const ir::Node& node, std::span<const Tensor> inputs);

// Output 0 like input 0.
std::vector<TypeInfo> infer_same(const InferContext& context);

void append(std::vector<Op>& ops, std::vector<Op> more);

}  // namespace tfengine::ops
