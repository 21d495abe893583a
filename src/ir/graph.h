// SPDX-License-Identifier: Apache-2.0
// The intermediate representation: a directed acyclic graph of nodes over named values, from import to plan.
// Nodes carry TensorFlow's op names and attributes; activations are NHWC; constants are values with bytes and no
// producer. It knows nothing of what ops mean (ops/) or how they run (backends/).
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/activation.h"
#include "tfengine/tensor.h"

namespace tfengine::ir {

using ValueId = int32_t;
using NodeId = int32_t;
inline constexpr int32_t kNone = -1;

// One attribute. Anything else that TensorFlow writes is dropped at import.
using Attr = std::variant<bool, int64_t, float, std::string, DType, Shape, Tensor, std::vector<int64_t>,
                          std::vector<float>, std::vector<std::string>, std::vector<Shape>, std::vector<DType>>;
using Attrs = std::map<std::string, Attr, std::less<>>;

// How an S8 or U8 value stands for real numbers: real = scale * (integer - zero_point). One scale, or one per index of
// `axis`. Empty for values that are plain numbers. The zero point is 0 but for U8 values with one scale, of asymmetric
// activations.
struct Quant {
  std::vector<float> scales;
  int axis = -1;
  int zero_point = 0;
  bool defined() const { return !scales.empty(); }
  bool operator==(const Quant&) const = default;
};

enum class RangeSource : uint8_t { Custom, Calibrated, Rule };

// The real interval [-max_abs, max_abs] that INT8 has to cover.
struct Range {
  float max_abs = 0.0f;
  RangeSource source = RangeSource::Calibrated;
  std::string origin;  // the node or method that gave it, for reports
  // The least and the largest value that came, where that is known: an asymmetric grid covers no more.
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  bool operator==(const Range&) const = default;
};

struct Value {
  std::string name;  // TensorFlow's: "node:0" is written "node"
  DType dtype = DType::Invalid;
  Shape shape = Shape::unknown_rank();
  NodeId producer = kNone;
  int output_index = 0;
  Tensor constant;  // defined() for constants
  Quant quant;
  std::optional<Range> range;
  std::vector<NodeId> users;  // one entry per use, kept by Graph

  bool is_constant() const { return constant.defined(); }
};

// What is fused behind a node's own arithmetic:
//   r = op(...); r += inputs[bias]; r = before_add(r); r += inputs[residual]; r = after_add(r)
struct Epilogue {
  int bias = kNone;  // index into Node::inputs of a [channels] vector
  Act before_add;
  int residual = kNone;  // index into Node::inputs of a tensor shaped as the output
  Act after_add;
  bool empty() const {
    return bias == kNone && residual == kNone && before_add.kind == ActKind::None && after_add.kind == ActKind::None;
  }
  bool operator==(const Epilogue&) const = default;
};

class Graph;

struct Node {
  std::string name;
  std::string op;
  std::vector<ValueId> inputs;  // change through Graph, which keeps Value::users
  std::vector<ValueId> outputs;
  Attrs attrs;
  Epilogue epilogue;
  // Graphs that the node runs, closed: they see the values that the node hands to their inputs, and no others. Which
  // inputs those are is the op's to say (ops/control_flow.h). Names are unique across a graph and all regions in it.
  std::vector<Graph> regions;
  bool alive = true;
  bool denylisted = false;  // the user asked to keep it out of fusion and INT8

  bool has(std::string_view key) const { return attrs.find(key) != attrs.end(); }
  // The attribute as T; InvalidModel naming node and attribute when it is missing or of another type.
  template <typename T>
  const T& attr(std::string_view key) const;
  template <typename T>
  T attr_or(std::string_view key, T fallback) const;
};

struct GraphOutput {
  std::string name;
  ValueId value;
};

class Graph {
 public:
  std::string name;
  std::vector<ValueId> inputs;
  std::vector<GraphOutput> outputs;

  ValueId add_value(std::string name, DType dtype, Shape shape);
  ValueId add_input(std::string name, DType dtype, Shape shape);
  ValueId add_constant(std::string name, Tensor tensor);
  // Adds a node with `output_count` outputs named name, name:1, ...; their types are unknown until inference.
  NodeId add_node(std::string op, std::string name, std::vector<ValueId> inputs, Attrs attrs = {},
                  int output_count = 1);

  Node& node(NodeId id) { return nodes_[static_cast<size_t>(id)]; }
  const Node& node(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }
  Value& value(ValueId id) { return values_[static_cast<size_t>(id)]; }
  const Value& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  // Ids are dense: 0 .. count-1; dead nodes and values keep theirs.
  NodeId node_count() const { return static_cast<NodeId>(nodes_.size()); }
  ValueId value_count() const { return static_cast<ValueId>(values_.size()); }
  ValueId output(NodeId id, int index = 0) const { return node(id).outputs[static_cast<size_t>(index)]; }
  const Value& input_value(const Node& node, int index) const { return value(node.inputs[static_cast<size_t>(index)]); }

  bool is_output(ValueId id) const;
  // Uses by nodes plus uses as graph output.
  int use_count(ValueId id) const;
  // The only user of `id` when it has exactly one use and is no graph output; else kNone.
  NodeId single_user(ValueId id) const;

  void set_input(NodeId id, int index, ValueId value);
  // Appends an input and returns its index.
  int add_node_input(NodeId id, ValueId value);
  void set_inputs(NodeId id, std::vector<ValueId> inputs);
  // Every use of `from`, graph outputs included, becomes a use of `to`. `to`'s producer itself is left alone.
  void replace_uses(ValueId from, ValueId to);
  // Makes `node` produce `value` at its output `index` instead of its former output (which must have no uses left).
  void set_output(NodeId id, int index, ValueId value);
  void remove(NodeId id);
  // Removes nodes none of whose outputs is used, transitively; returns how many.
  int remove_dead();
  // Alive nodes, producers before users; stable (by id where free). InvalidModel naming a node of a cycle.
  std::vector<NodeId> order() const;
  // A name not yet used by a value, derived from `base`.
  std::string unique_name(std::string_view base) const;
  ValueId find_value(std::string_view name) const;  // kNone if absent
  // A copy without dead nodes and unused values (ids change), in regions, too.
  Graph compacted() const;

 private:
  std::vector<Node> nodes_;
  std::vector<Value> values_;
};

// Calls `use` with the graph and with every graph inside of it, a node's regions behind the graph that the node is in.
void for_each_graph(const Graph& graph, const std::function<void(const Graph&)>& use);
void for_each_graph(Graph& graph, const std::function<void(Graph&)>& use);

}  // namespace tfengine::ir
