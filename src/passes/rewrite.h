// SPDX-License-Identifier: Apache-2.0
// The vocabulary in which passes are written: asking about constants and neighbours, and the few safe ways to change a
// graph. Every change keeps graph outputs by name and leaves denylisted nodes alone if the caller asked may_change().
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "passes/pass.h"

namespace tfengine::passes {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

inline bool may_change(const Node& node) { return node.alive && !node.denylisted; }

// The node that computes `value` if it may be changed and is of `op` (any op if empty); else kNone.
NodeId producer_of(const Graph& graph, ValueId value, std::string_view op = {});
// As producer_of, if besides `value` has one use only, and that is not as graph output.
NodeId sole_producer(const Graph& graph, ValueId value, std::string_view op = {});

// Constants. Floats are F32 only; integers are S32 or S64.
const Tensor* float_constant(const Graph& graph, ValueId value);
std::optional<float> scalar_constant(const Graph& graph, ValueId value);  // any rank with one element
std::optional<std::vector<int64_t>> int_constant(const Graph& graph, ValueId value);
// The constant as one factor or term per channel of a tensor whose last axis has `channels` elements: of shape [channels],
// [1,..,1,channels], or one element (repeated); nothing that would raise the rank above `rank`.
std::optional<std::vector<float>> channel_constant(const Graph& graph, ValueId value, int64_t channels, size_t rank);
ValueId add_float_vector(Graph& graph, std::string_view name, const std::vector<float>& values);
ValueId add_int_vector(Graph& graph, std::string_view name, const std::vector<int64_t>& values);

// A binary node seen as "operand op constant": `constant` is the value id of the constant side.
struct ConstantOperand {
  ValueId operand;
  ValueId constant;
  bool constant_first;
};
std::optional<ConstantOperand> constant_operand(const Graph& graph, const Node& node);

bool same_shape(const Graph& graph, ValueId a,
                ValueId b);  // ranked and equal; an unknown dimension equals an unknown one
int unknown_dims(const Shape& shape);
int64_t last_dim(const Graph& graph, ValueId value);  // -1 if unknown
bool is_float(const Graph& graph, ValueId value);

// Turns a node into another that computes the same output 0, in place: its name and output value stay.
void rewrite_node(Graph& graph, NodeId id, std::string op, std::vector<ValueId> inputs, ir::Attrs attrs = {});
// `first`, whose output only `last` uses, takes over `last`'s output value; `last` disappears.
void absorb(Graph& graph, NodeId first, NodeId last);
// Removes a node whose output equals `source` (one of its inputs): false, and nothing changed, where a graph output
// would lose its tensor. A range moves to the tensor that stays.
bool bypass(Graph& graph, NodeId id, ValueId source, int output_index = 0);
// Gives a tensor a range; InvalidModel naming both origins when it has another one.
void set_range(ir::Value& value, const ir::Range& range);

// New nodes and constants in place of a node that is being rewritten, named after it: "node/part".
class NodesBeside {
 public:
  NodesBeside(Graph& graph, NodeId id) : graph_(graph), id_(id) {}
  // Output 0 of a new node.
  ValueId add(const std::string& op, std::string_view part, std::vector<ValueId> inputs, ir::Attrs attrs = {}) const;
  ValueId constant(std::string_view part, Tensor tensor) const;
  ValueId ints(std::string_view part, const std::vector<int64_t>& values) const;

 private:
  std::string name(std::string_view part) const;

  Graph& graph_;
  NodeId id_;
};

// The activation that a node computes on inputs[0], if an epilogue can express it.
std::optional<Act> activation_of(const Graph& graph, const Node& node);
// Whether every element of `value` is at least 0, whatever the inputs of the graph.
bool is_non_negative(const Graph& graph, ValueId value);

}  // namespace tfengine::passes
