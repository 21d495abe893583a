// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse_attention.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "ops/op.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// A mask of this and lower takes every other digit of a score with it, so that choosing it and adding it are the same.
constexpr float kAbsorbing = -1e30f;

const std::vector<int64_t> kSwapHeads = {0, 2, 1, 3};    // [batch, token, head, d] and [batch, head, token, d]
const std::vector<int64_t> kHeadsTurned = {0, 2, 3, 1};  // [batch, token, head, d] to [batch, head, d, token]

struct Mask {
  ValueId value = kNone;  // added to the scores; or with `condition`, `masked` where this is false
  ValueId condition = kNone;
  ValueId masked = kNone;
};

struct Found {
  NodeId second = kNone;    // the product with the values
  NodeId quantize = kNone;  // of its result, in front of the transpose; kNone: none
  NodeId back = kNone;      // the transpose of the result
  ValueId q = kNone, k = kNone, v = kNone;
  Mask mask;
  double scale = 1.0;
};

bool plain_f32(const Graph& graph, ValueId value) { return graph.value(value).dtype == DType::F32; }

// The argument of the Transpose behind `value`, if it permutes so.
ValueId transposed(const Graph& graph, ValueId value, const std::vector<int64_t>& permutation) {
  const NodeId id = producer_of(graph, value, "Transpose");
  if (id == kNone || !plain_f32(graph, value) || !graph.node(id).epilogue.empty()) return kNone;
  return int_constant(graph, graph.node(id).inputs[1]) == permutation ? graph.node(id).inputs[0] : kNone;
}

// A product of [batch, head] matrices; the second one is found with its last two axes as `turned` says.
struct HeadProduct {
  NodeId id = kNone;
  ValueId left = kNone, right = kNone;
  bool right_turned = false;
};

std::optional<HeadProduct> head_product(const Graph& graph, ValueId value) {
  const NodeId id = sole_producer(graph, value, "BatchMatMulV2");
  if (id == kNone || !plain_f32(graph, value)) return std::nullopt;
  const Node& node = graph.node(id);
  const Shape &left = graph.value(node.inputs[0]).shape, &right = graph.value(node.inputs[1]).shape;
  if (node.attr_or<bool>("adj_x", false) || !node.epilogue.empty() || left.rank() != 4 || right.rank() != 4 ||
      left[0] != right[0] || left[1] != right[1]) {
    return std::nullopt;
  }
  return HeadProduct{id, node.inputs[0], node.inputs[1], node.attr_or<bool>("adj_y", false)};
}

// Whether a value broadcasts to the scores and has a column for each of theirs.
bool is_mask(const Graph& graph, ValueId value, const Shape& scores) {
  const Shape& shape = graph.value(value).shape;
  if (!shape.is_static() || shape.rank() == 0 || shape.rank() > 4 || shape.back() != scores.back()) return false;
  for (size_t back = 1; back <= shape.rank(); ++back) {
    const int64_t size = shape[shape.rank() - back];
    if (size != 1 && size != scores[scores.rank() - back]) return false;
  }
  return true;
}

bool is_true(const Graph& graph, ValueId value) {
  const NodeId fill = producer_of(graph, value, "Fill");
  const Tensor& constant = graph.value(fill == kNone ? value : graph.node(fill).inputs[1]).constant;
  if (!constant.defined() || constant.dtype() != DType::Bool) return false;
  return std::all_of(constant.as<bool>(), constant.as<bool>() + constant.elements(), [](bool x) { return x; });
}

// Keras joins a mask with one that is all true, of the scores' full shape.
ValueId without_true(const Graph& graph, ValueId condition) {
  const NodeId id = producer_of(graph, condition, "LogicalAnd");
  if (id == kNone) return condition;
  const std::vector<ValueId>& sides = graph.node(id).inputs;
  if (is_true(graph, sides[0])) return without_true(graph, sides[1]);
  return is_true(graph, sides[1]) ? without_true(graph, sides[0]) : condition;
}

// Whether nothing but scaling lies between a product and the value.
bool is_scaled_product(const Graph& graph, ValueId value) {
  const NodeId id = producer_of(graph, value);
  if (id == kNone) return false;
  const Node& node = graph.node(id);
  if (node.op == "BatchMatMulV2") return true;
  const auto sides = node.op == "Mul" || node.op == "RealDiv" ? constant_operand(graph, node) : std::nullopt;
  return sides && is_scaled_product(graph, sides->operand);
}

// scores + mask: the scores' side, or kNone.
ValueId match_added_mask(const Graph& graph, const Node& node, Mask& mask) {
  if (node.op != "Add" || !node.epilogue.empty()) return kNone;
  const Shape& scores = graph.value(node.outputs[0]).shape;
  for (const size_t side : {0, 1}) {
    const ValueId other = node.inputs[1 - side];
    if (!plain_f32(graph, other) || !is_mask(graph, other, scores)) continue;
    if (graph.value(node.inputs[side]).shape != scores || !is_scaled_product(graph, node.inputs[side])) continue;
    mask.value = other;
    return node.inputs[side];
  }
  return kNone;
}

// Select(condition, scores, a lowest value).
ValueId match_chosen_mask(const Graph& graph, const Node& node, Mask& mask) {
  if (node.op != "SelectV2") return kNone;
  const auto lowest = scalar_constant(graph, node.inputs[2]);
  const Shape& scores = graph.value(node.outputs[0]).shape;
  if (!lowest || *lowest > kAbsorbing || graph.value(node.inputs[1]).shape != scores) return kNone;
  const ValueId condition = without_true(graph, node.inputs[0]);
  if (!is_mask(graph, condition, scores)) return kNone;
  mask.condition = condition;
  mask.masked = node.inputs[2];
  return node.inputs[1];
}

// scores * constant, scores / constant.
ValueId match_scale(const Graph& graph, const Node& node, double& scale) {
  if (node.op != "Mul" && node.op != "RealDiv") return kNone;
  const auto sides = constant_operand(graph, node);
  const auto factor = sides ? scalar_constant(graph, sides->constant) : std::nullopt;
  if (!factor || graph.value(sides->operand).shape != graph.value(node.outputs[0]).shape) return kNone;
  if (node.op == "RealDiv" && (sides->constant_first || *factor == 0.0f)) return kNone;
  scale *= node.op == "Mul" ? *factor : 1.0 / *factor;
  return sides->operand;
}

// From the softmax's argument back to the first product: a mask at most, then scales, which would scale a mask as well if they
// came behind it.
std::optional<HeadProduct> match_scores(const Graph& graph, ValueId value, Found& found) {
  bool in_front_of_mask = false;
  while (true) {
    if (auto product = head_product(graph, value)) return product;
    const NodeId id = sole_producer(graph, value);
    if (id == kNone || graph.node(id).outputs.size() != 1) return std::nullopt;
    const Node& node = graph.node(id);
    ValueId inner = kNone;
    if (!in_front_of_mask) inner = match_added_mask(graph, node, found.mask);
    if (!in_front_of_mask && inner == kNone) inner = match_chosen_mask(graph, node, found.mask);
    if (inner == kNone) inner = match_scale(graph, node, found.scale);
    if (inner == kNone) return std::nullopt;
    in_front_of_mask = true;
    value = inner;
  }
}

// The nodes behind the second product, up to the Transpose that puts heads back; false where they are others.
bool match_result(const Graph& graph, ValueId result, Found& found) {
  NodeId next = graph.single_user(result);
  if (next != kNone && graph.node(next).op == "Quantize" && may_change(graph.node(next))) {
    found.quantize = next;
    next = graph.single_user(graph.output(next));
  }
  if (next == kNone || !may_change(graph.node(next)) || graph.node(next).op != "Transpose") return false;
  found.back = next;
  return graph.node(next).epilogue.empty() && int_constant(graph, graph.node(next).inputs[1]) == kSwapHeads;
}

std::optional<Found> match(const Graph& graph, NodeId softmax) {
  const Node& node = graph.node(softmax);
  if (node.op != "Softmax" || !may_change(node) || !node.epilogue.empty()) return std::nullopt;
  Found found;
  found.second = graph.single_user(node.outputs[0]);
  if (found.second == kNone || graph.node(found.second).op != "BatchMatMulV2") return std::nullopt;
  const Node& second = graph.node(found.second);
  if (!may_change(second) || second.inputs[0] != node.outputs[0] || second.inputs[1] == node.outputs[0] ||
      second.attr_or<bool>("adj_x", false) || !second.epilogue.empty() || !plain_f32(graph, second.outputs[0]) ||
      !match_result(graph, second.outputs[0], found)) {
    return std::nullopt;
  }
  const auto first = match_scores(graph, node.inputs[0], found);
  if (!first) return std::nullopt;
  const bool values_turned = second.attr_or<bool>("adj_y", false);
  found.q = transposed(graph, first->left, kSwapHeads);
  found.k = transposed(graph, first->right, first->right_turned ? kSwapHeads : kHeadsTurned);
  found.v = transposed(graph, second.inputs[1], values_turned ? kHeadsTurned : kSwapHeads);
  if (found.q == kNone || found.k == kNone || found.v == kNone) return std::nullopt;
  // Products may broadcast over batch and heads, which Attention does not.
  const Shape &q = graph.value(found.q).shape, &k = graph.value(found.k).shape, &v = graph.value(found.v).shape;
  const bool one_batch = q[0] == v[0] && q[2] == v[2] && k[0] == v[0] && k[2] == v[2];
  return one_batch && graph.value(node.outputs[0]).shape.elements() > 0 ? std::optional(found) : std::nullopt;
}

class Rewriter {
 public:
  explicit Rewriter(Graph& graph) : graph_(graph) {}

  void replace(const Found& found) {
    std::vector<ValueId> inputs = {found.q, found.k, found.v};
    if (const ValueId mask = mask_of(found); mask != kNone) inputs.push_back(mask);
    const ValueId result = graph_.output(found.second);
    rewrite_node(graph_, found.second, "Attention", std::move(inputs), {{"scale", static_cast<float>(found.scale)}});
    const ValueId back = graph_.output(found.back);
    const Shape shape = graph_.value(back).shape;
    graph_.value(result).shape = shape;
    if (found.quantize != kNone) graph_.value(graph_.output(found.quantize)).shape = shape;
    // The transpose's tensor stays under its name: what was in front of it makes it.
    const NodeId last = found.quantize != kNone ? found.quantize : found.second;
    graph_.remove(found.back);
    graph_.set_output(last, 0, back);
  }

 private:
  // As a tensor of rank 4 that is added, made once for all attention that has it.
  ValueId mask_of(const Found& found) {
    const Mask& mask = found.mask;
    if (mask.value == kNone && mask.condition == kNone) return kNone;
    const auto [made, fresh] = made_.try_emplace({mask.value, mask.condition, mask.masked}, kNone);
    if (!fresh) return made->second;
    const NodesBeside beside(graph_, found.second);
    ValueId value = mask.value;
    // A copy: adding nodes moves the values.
    Shape shape = graph_.value(value == kNone ? mask.condition : value).shape;
    if (value == kNone) {
      const ValueId zero = beside.constant("open", Tensor(DType::F32, Shape{}));
      value = typed(beside.add("SelectV2", "mask", {mask.condition, zero, mask.masked}), shape);
    }
    if (shape.rank() < 4) {
      shape.dims().insert(shape.dims().begin(), 4 - shape.rank(), 1);
      value = typed(beside.add("Reshape", "mask4", {value, beside.ints("mask4_shape", shape.dims())}), shape);
    }
    return made->second = value;
  }

  ValueId typed(ValueId value, const Shape& shape) {
    graph_.value(value).dtype = DType::F32;
    graph_.value(value).shape = shape;
    return value;
  }

  Graph& graph_;
  std::map<std::tuple<ValueId, ValueId, ValueId>, ValueId> made_;
};

}  // namespace

int fuse_attention(Graph& graph, const RunsAttention& runs) {
  int made = 0;
  Rewriter rewriter(graph);
  for (const NodeId id : graph.order()) {
    const auto found = graph.node(id).alive ? match(graph, id) : std::nullopt;
    if (!found) continue;
    Node asked;
    asked.op = "Attention";
    asked.inputs = {found->q, found->k, found->v};
    if (!runs(graph, asked)) continue;
    rewriter.replace(*found);
    ++made;
  }
  if (made > 0) {
    graph.remove_dead();
    graph = graph.compacted();
  }
  return made;
}

}  // namespace tfengine::passes
