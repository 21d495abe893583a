// SPDX-License-Identifier: Apache-2.0
#include "passes/hoist_from_loops.h"

#include <algorithm>

#include "base/check.h"
#include "ops/control_flow.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// A row of a list that the loop does not change.
struct Row {
  NodeId gather = kNone;
  size_t argument = 0;  // of the loop
};

std::optional<Row> row_of(const Graph& body, size_t states, ValueId value) {
  const NodeId id = producer_of(body, value, "GatherV2");
  if (id == kNone) return std::nullopt;
  const Node& gather = body.node(id);
  const auto axis = gather.inputs.size() == 3 ? int_constant(body, gather.inputs[2]) : std::nullopt;
  if (!axis || axis->size() != 1 || (*axis)[0] != 0 || gather.attr_or<int64_t>("batch_dims", 0) != 0)
    return std::nullopt;
  const Shape& index = body.value(gather.inputs[1]).shape;
  if (!index.ranked() || index.rank() != 0) return std::nullopt;
  const auto found = std::find(body.inputs.begin(), body.inputs.end(), gather.inputs[0]);
  const auto argument = static_cast<size_t>(found - body.inputs.begin());
  if (found == body.inputs.end() || argument < states) return std::nullopt;
  return Row{id, argument};
}

// A dense layer of the rows [batch, features] of a list [steps, batch, features].
bool is_dense(const Graph& body, const Node& node) {
  return node.op == "MatMul" && may_change(node) && node.epilogue.empty() &&
         !node.attr_or<bool>("transpose_a", false) && !node.attr_or<bool>("transpose_b", false) &&
         float_constant(body, node.inputs[1]) != nullptr;
}

bool is_bias(const Graph& body, const Node& node) {
  return node.op == "BiasAdd" && may_change(node) && node.epilogue.empty() &&
         float_constant(body, node.inputs[1]) != nullptr;
}

class Hoister {
 public:
  Hoister(Graph& graph, NodeId loop) : graph_(graph), loop_(loop) {}

  int run() {
    int hoisted = move_biases();
    // A bias behind a hoisted product is found in the same walk: its input has become a row.
    for (const NodeId id : body().order()) {
      const Node& node = body().node(id);
      const bool dense = is_dense(body(), node);
      if (!dense && !is_bias(body(), node)) continue;
      const auto row = row_of(body(), states(), node.inputs[0]);
      if (!row || body().is_output(node.outputs[0])) continue;
      const Shape list = graph_.value(graph_.node(loop_).inputs[row->argument]).shape;
      if (!list.ranked() || list.rank() != 3 || body().value(node.outputs[0]).range) continue;
      if (dense || !join_product(id, *row)) hoist(id, *row, dense);
      ++hoisted;
    }
    body().remove_dead();
    return hoisted;
  }

 private:
  Graph& body() { return graph_.node(loop_).regions[1]; }
  size_t states() { return graph_.node(loop_).outputs.size(); }

  // Cells add a bias to the sum of two products, (row * w + state * u) + bias: with the row it can leave the loop.
  int move_biases() {
    int moved = 0;
    for (const NodeId id : body().order()) {
      const Node& bias = body().node(id);
      if (!is_bias(body(), bias) || bias.attr_or<std::string>("data_format", "NHWC") != "NHWC") continue;
      const NodeId sum = sole_producer(body(), bias.inputs[0], "Add");
      if (sum == kNone || !body().node(sum).epilogue.empty() || body().value(bias.outputs[0]).range) continue;
      const std::vector<ValueId> terms = body().node(sum).inputs;
      for (const int side : {0, 1}) {
        const ValueId term = terms[static_cast<size_t>(side)];
        const NodeId product = sole_producer(body(), term, "MatMul");
        if (product == kNone || !is_dense(body(), body().node(product))) continue;
        if (!row_of(body(), states(), body().node(product).inputs[0])) continue;
        if (!same_shape(body(), term, body().output(sum))) continue;
        const ValueId result = body().output(id);
        body().replace_uses(result, body().output(sum));
        body().set_input(id, 0, term);
        body().set_input(sum, side, result);
        ++moved;
        break;
      }
    }
    return moved;
  }

  ValueId made(std::string op, const std::string& name, std::vector<ValueId> inputs, ir::Attrs attrs = {}) {
    return graph_.output(graph_.add_node(std::move(op), graph_.unique_name(name), std::move(inputs), std::move(attrs)));
  }

  ValueId int_vector(const std::string& name, std::vector<int64_t> values) {
    return add_int_vector(graph_, name, values);
  }

  // The product of all rows of the list, with the list's first two dimensions.
  ValueId product(ValueId list, const Node& matmul, const Tensor& weights) {
    const int64_t in = weights.shape()[0], out = weights.shape()[1];
    const std::string& name = matmul.name;
    const ValueId constant = graph_.add_constant(graph_.unique_name(name + "/weights"), weights);
    const ValueId rows = made("Reshape", name + "/rows", {list, int_vector(name + "/row", {-1, in})});
    const ValueId dense = made("MatMul", name + "/of_list", {rows, constant});
    const ValueId shape = made("Shape", name + "/list_shape", {list});
    const ValueId outer = made(
        "StridedSlice", name + "/outer",
        {shape, int_vector(name + "/begin", {0}), int_vector(name + "/end", {2}), int_vector(name + "/step", {1})});
    const ValueId axis = graph_.add_constant(graph_.unique_name(name + "/axis"), Tensor(DType::S32, Shape{}));
    const ValueId target =
        made("ConcatV2", name + "/of_list_shape", {outer, int_vector(name + "/features", {out}), axis});
    return made("Reshape", name + "/list", {dense, target});
  }

  // The bias of a product that was hoisted just now goes in front of the Reshape behind it, where the two are fused.
  bool join_product(NodeId id, const Row& row) {
    const ValueId list = graph_.node(loop_).inputs[row.argument];
    const NodeId reshape = sole_producer(graph_, list, "Reshape");
    if (reshape == kNone || sole_producer(graph_, graph_.node(reshape).inputs[0], "MatMul") == kNone) return false;
    const ValueId rows = body().output(row.gather);
    if (body().single_user(rows) != id || body().value(body().inputs[row.argument]).users.size() != 1) return false;
    const Node bias = body().node(id);
    const ValueId constant =
        graph_.add_constant(graph_.unique_name(bias.name + "/bias"), body().value(bias.inputs[1]).constant);
    const ValueId sum = made("BiasAdd", bias.name + "/of_list", {graph_.node(reshape).inputs[0], constant});
    graph_.set_input(reshape, 0, sum);
    body().replace_uses(bias.outputs[0], rows);
    return true;
  }

  void hoist(NodeId id, const Row& row, bool dense) {
    const Node node = body().node(id);
    const ValueId list = graph_.node(loop_).inputs[row.argument];
    const Tensor constant = body().value(node.inputs[1]).constant;
    ValueId mapped = kNone;
    if (dense) {
      mapped = product(list, node, constant);
    } else {
      const ValueId bias = graph_.add_constant(graph_.unique_name(node.name + "/bias"), constant);
      mapped = made("BiasAdd", node.name + "/of_list", {list, bias});
    }
    // Inference comes behind the pass, and what else can be hoisted is looked for within it.
    Shape shape = graph_.value(list).shape;
    if (dense) shape[2] = constant.shape()[1];
    graph_.value(mapped).shape = shape;
    graph_.value(mapped).dtype = DType::F32;
    graph_.add_node_input(loop_, mapped);
    ValueId argument = kNone;
    for (Graph& region : graph_.node(loop_).regions) {
      argument = region.add_input(region.unique_name(fmt::format("{}/{}", node.name, region.name)), DType::F32,
                                  Shape::unknown_rank());
    }
    // The node becomes the row of the new list: its name and result stay.
    Graph& inside = body();
    const Node gather = inside.node(row.gather);
    rewrite_node(inside, id, "GatherV2", {argument, gather.inputs[1], gather.inputs[2]}, gather.attrs);
  }

  Graph& graph_;
  NodeId loop_;
};

}  // namespace

int hoist_from_loops(Graph& graph, PassContext&) {
  int hoisted = 0;
  for (const NodeId id : graph.order()) {
    if (ops::is_loop(graph.node(id)) && may_change(graph.node(id))) hoisted += Hoister(graph, id).run();
  }
  return hoisted;
}

}  // namespace tfengine::passes
