// SPDX-License-Identifier: Apache-2.0
#include "passes/lower_einsum.h"

#include <algorithm>
#include <string>

#include <fmt/core.h>

#include "ops/einsum.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

struct Operand {
  ValueId value = kNone;
  std::string labels;
};

// Labels by what they do in the product: run through both operands, are of one, or are summed.
struct Groups {
  std::string batch, left, right, inner;
};

bool has(const std::string& labels, char label) { return labels.find(label) != std::string::npos; }

bool repeats(const std::string& labels) {
  return std::any_of(labels.begin(), labels.end(),
                     [&](char c) { return std::count(labels.begin(), labels.end(), c) > 1; });
}

// nullopt where the equation is no single product: a diagonal, or a label that only one operand sums over.
std::optional<Groups> groups_of(const Operand& a, const Operand& b, const std::string& result) {
  if (repeats(a.labels) || repeats(b.labels) || repeats(result)) return std::nullopt;
  Groups groups;
  for (const char label : result) {
    const bool in_a = has(a.labels, label), in_b = has(b.labels, label);
    if (!in_a && !in_b) return std::nullopt;
    (in_a && in_b ? groups.batch : in_a ? groups.left : groups.right) += label;
  }
  for (const char label : a.labels) {
    if (has(result, label)) continue;
    if (!has(b.labels, label) || (label >= '0' && label <= '9')) return std::nullopt;
    groups.inner += label;
  }
  const bool all = std::all_of(b.labels.begin(), b.labels.end(),
                               [&](char label) { return has(result, label) || has(groups.inner, label); });
  return all ? std::optional<Groups>(groups) : std::nullopt;
}

class Lowering {
 public:
  Lowering(Graph& graph, NodeId id, Operand a, Operand b, std::string result)
      : graph_(graph), id_(id), beside_(graph, id), a_(std::move(a)), b_(std::move(b)), result_(std::move(result)) {}

  bool run() {
    if (graph_.value(a_.value).is_constant()) std::swap(a_, b_);
    auto groups = groups_of(a_, b_, result_);
    // The result's own order costs no transposition behind the product.
    const auto swapped = groups_of(b_, a_, result_);
    const bool constant = graph_.value(b_.value).is_constant();
    if (!constant && swapped && swapped->batch + swapped->left + swapped->right == result_) {
      std::swap(a_, b_);
      groups = swapped;
    }
    if (!groups) return false;
    groups_ = *groups;
    emit(constant && groups_.batch.empty());
    return true;
  }

 private:
  // With constant weights a matrix product of two axes, which other rewrites know as a layer.
  void emit(bool matmul) {
    const Groups& g = groups_;
    const bool turned = !matmul && b_.labels == g.batch + g.right + g.inner;
    const ValueId a = as_matrices(a_, {g.left, g.inner}, g.batch + g.left + g.inner);
    const ValueId b = turned ? as_matrices(b_, {g.right, g.inner}, b_.labels)
                             : as_matrices(b_, {g.inner, g.right}, g.batch + g.inner + g.right);
    const ir::Attrs attrs = matmul ? ir::Attrs{{"transpose_a", false}, {"transpose_b", false}}
                                   : ir::Attrs{{"adj_x", false}, {"adj_y", turned}};
    const std::string op = matmul ? "MatMul" : "BatchMatMulV2";
    const std::string made = g.batch + g.left + g.right;
    const bool as_is = g.left.size() == 1 && g.right.size() == 1, in_order = made == result_;
    if (as_is && in_order) return rewrite_node(graph_, id_, op, {a, b}, attrs);
    ValueId product = beside_.add(op, "product", {a, b}, attrs);
    if (!as_is) {
      std::vector<std::string> single;
      for (const char label : made) single.emplace_back(1, label);
      const ValueId shape = target(single);
      if (in_order) return rewrite_node(graph_, id_, "Reshape", {product, shape});
      product = beside_.add("Reshape", "apart", {product, shape});
    }
    rewrite_node(graph_, id_, "Transpose", {product, permutation(made, result_)});
  }

  // Batch axes, then one axis per group.
  ValueId as_matrices(const Operand& operand, const std::vector<std::string>& matrix, const std::string& order) {
    ValueId value = operand.value;
    if (operand.labels != order)
      value = beside_.add("Transpose", "ordered", {value, permutation(operand.labels, order)});
    if (std::all_of(matrix.begin(), matrix.end(), [](const std::string& group) { return group.size() == 1; }))
      return value;
    std::vector<std::string> entries;
    for (const char label : groups_.batch) entries.emplace_back(1, label);
    entries.insert(entries.end(), matrix.begin(), matrix.end());
    return beside_.add("Reshape", "joined", {value, target(entries, &operand)});
  }

  ValueId permutation(const std::string& from, const std::string& to) {
    std::vector<int64_t> perm;
    for (const char label : to) perm.push_back(static_cast<int64_t>(from.find(label)));
    return beside_.ints("perm", perm);
  }

  // Of the wanted operand, else of the one that has it and is not broadcast there; -1: unknown.
  int64_t dim(char label, const Operand* of) const {
    if (of != nullptr) return graph_.value(of->value).shape[of->labels.find(label)];
    const int64_t in_a = has(a_.labels, label) ? dim(label, &a_) : 1,
                  in_b = has(b_.labels, label) ? dim(label, &b_) : 1;
    return in_a == 1 ? in_b : in_a;
  }

  int64_t product_dim(const std::string& labels, const Operand* of) const {
    int64_t product = 1;
    for (const char label : labels) {
      const int64_t size = dim(label, of);
      if (size < 0) return -1;
      product *= size;
    }
    return product;
  }

  // The shape whose axes are products of labels. One that is not known is -1; more of them are computed.
  ValueId target(const std::vector<std::string>& entries, const Operand* of = nullptr) {
    std::vector<int64_t> sizes;
    for (const std::string& labels : entries) sizes.push_back(product_dim(labels, of));
    if (std::count(sizes.begin(), sizes.end(), -1) <= 1) {
      return beside_.ints("shape", sizes);
    }
    std::vector<ValueId> pieces;
    for (size_t i = 0; i < entries.size(); ++i) {
      pieces.push_back(sizes[i] >= 0 ? beside_.ints("size", {sizes[i]}) : computed_size(entries[i], of));
    }
    if (pieces.size() == 1) return pieces[0];
    pieces.push_back(beside_.constant("axis", Tensor(DType::S32, Shape{})));
    return beside_.add("ConcatV2", "sizes", pieces);
  }

  ValueId computed_size(const std::string& labels, const Operand* of) {
    ValueId size = kNone;
    for (const char label : labels) {
      const Operand& source = of != nullptr ? *of : has(a_.labels, label) && dim(label, &a_) != 1 ? a_ : b_;
      const ValueId shape = beside_.add("Shape", "shape_of", {source.value}, {{"out_type", DType::S32}});
      const auto axis = static_cast<int64_t>(source.labels.find(label));
      const ValueId one =
          beside_.add("Slice", "size", {shape, beside_.ints("begin", {axis}), beside_.ints("count", {1})});
      size = size == kNone ? one : beside_.add("Mul", "size", {size, one});
    }
    return size;
  }

  Graph& graph_;
  NodeId id_;
  NodesBeside beside_;
  Operand a_, b_;
  std::string result_;
  Groups groups_;
};

}  // namespace

int lower_einsum(Graph& graph, PassContext&) {
  int lowered = 0;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!may_change(node) || node.op != "Einsum" || node.inputs.size() != 2 || !node.epilogue.empty()) continue;
    if (!is_float(graph, node.inputs[0]) || !is_float(graph, node.inputs[1])) continue;
    std::vector<ops::TypeInfo> types;
    for (const ValueId input : node.inputs) types.push_back({graph.value(input).dtype, graph.value(input).shape});
    if (!types[0].shape.ranked() || !types[1].shape.ranked()) continue;
    const auto equation = ops::einsum_equation({node, types, {}});
    if (!equation) continue;
    lowered += Lowering(graph, id, {node.inputs[0], equation->operands[0]}, {node.inputs[1], equation->operands[1]},
                        equation->result)
                   .run();
  }
  return lowered;
}

}  // namespace tfengine::passes
