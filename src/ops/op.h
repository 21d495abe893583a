// SPDX-License-Identifier: Apache-2.0
// What an op means, as one value per op: names, type and shape inference, a naive readable evaluation (the oracle of
// the tests, the reference backend and the constant folder), and the INT8 rule as data. How ops run fast is in backends/.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace tfengine::ops {

struct TypeInfo {
  DType dtype = DType::Invalid;
  Shape shape = Shape::unknown_rank();
  bool operator==(const TypeInfo&) const = default;
};

// What is known of a small integer tensor's elements, row-major: the element or kUnknownElement. Graphs compute shapes
// in which only the batch size is unknown; this is how the rest of such a shape is still inferred.
inline constexpr int64_t kUnknownElement = INT64_MIN;
using Elements = std::vector<int64_t>;

// What inference may look at. `constants[i]` is undefined where the value of input i is not known; `partials` is empty,
// or has one entry per input, empty where not a single element is known. The epilogue's inputs are not among these.
struct InferContext {
  const ir::Node& node;
  std::span<const TypeInfo> inputs;
  std::span<const Tensor> constants;
  std::span<const std::optional<Elements>> partials = {};
};

// One TypeInfo per output; more than the node has are ignored (batch norm's reserved outputs). Throws InvalidModel
// naming the node when the inputs cannot be; unknown dimensions and ranks flow through.
using InferFn = std::vector<TypeInfo> (*)(const InferContext&);
// Inputs are real numbers in the op's own dtypes, never quantized. The epilogue is applied by the caller (evaluate_node),
// which passes the op's own inputs only. Checks shapes as inference does.
using EvaluateFn = std::vector<Tensor> (*)(const ir::Node&, std::span<const Tensor>);
// Elements of the outputs that follow from the inputs' types alone (Shape, Size, Rank).
using ElementsFn = std::vector<Elements> (*)(const InferContext&);

// How an op behaves on INT8 tensors.
enum class Int8Kind : uint8_t {
  Float,        // runs in float only
  Compute,      // convolution-like: INT8 data and per-channel weights, s32 accumulation, any output type
  Elementwise,  // each operand its own scale, result requantized (Add, Mul, unary functions by table)
  Passes,       // data movement or order-preserving: output has the input's scale (MaxPool, Reshape, Transpose, Pad...)
  Common,       // as Passes, with several data inputs that must share one scale (ConcatV2, Pack)
  Average,      // sums of INT8 in s32, result requantized (AvgPool, Mean)
};

enum class Sign : uint8_t {
  Any,
  NonNegative,       // whatever the inputs (Relu, Softmax, Sigmoid, Square)
  NonNegativeIfAll,  // if all data inputs are (MaxPool, Reshape, ConcatV2, Add, Mul, AvgPool)
};

struct Int8Rule {
  Int8Kind kind = Int8Kind::Float;
  std::vector<int> data_inputs = {0};  // input indices that carry activations; {} = all inputs
  int weight_input = ir::kNone;        // Compute: index of the weights, which must be constant
  int weight_axis = -1;                // Compute: see weight_axis() below
  Sign sign = Sign::Any;
  std::optional<float> fixed_max_abs = std::nullopt;  // Sigmoid, Softmax: 1
};

struct Op {
  std::string name;                       // canonical: "Conv2D", "Add"
  std::vector<std::string> aliases = {};  // other TensorFlow names of the same meaning: "AddV2"
  InferFn infer = nullptr;
  EvaluateFn evaluate = nullptr;
  Int8Rule int8 = {};
  bool elementwise = false;     // output element depends on the same element of (broadcast) inputs only
  bool folds = true;            // may be evaluated at compile time when all inputs are constant
  bool moves_elements = false;  // outputs are sums and products of input elements, so partly known inputs still tell
  ElementsFn elements = nullptr;
};

// By canonical name or alias; null for an op that tfengine does not know.
const Op* find_op(std::string_view name);
// As find_op, but InvalidModel naming the node and what to do.
const Op& require_op(const ir::Node& node);
// All ops, sorted by name.
std::span<const Op> all_ops();

// Output-channel axis of the constant weights of an Int8Kind::Compute node, which is the axis of their scales:
//   Conv2D [kh,kw,ic,oc]: 3;  MatMul [k,n]: 1, or 0 when transpose_b ([n,k]);
//   DepthwiseConv2dNative [kh,kw,c,m]: 2, with c*m scales, one per output channel (axes 2 and 3 taken as one).
int weight_axis(const Op& op, const ir::Node& node);

// How many of a node's inputs are the op's own; the rest belong to the epilogue.
int own_input_count(const ir::Node& node);

// The activation that a node of a unary activation op computes ("Relu6" is Clip 0..6); empty for other ops.
std::optional<Act> activation_of(const ir::Node& node);
// Whether the activation's results are non-negative, given whether its arguments are known to be.
bool act_non_negative(const Act& act, bool argument);

// Runs a node on real (dequantized) or quantized tensors: inputs whose value has a Quant are dequantized first, the
// epilogue is applied in float, and outputs whose value has a Quant are quantized: the definition of every INT8 step.
std::vector<Tensor> evaluate_node(const ir::Graph& graph, const ir::Node& node, std::span<const Tensor> inputs);

// Infers dtype and shape of every value from the graph's inputs on, propagating constants that are shapes.
// `input_shapes` (empty, or one per graph input) replace the inputs' declared shapes; InvalidArgument when incompatible.
// Values' types are updated in place. Values whose constant value became known by inference are returned in `known`
// (indexed by ValueId; undefined elsewhere) when it is given. Nodes of unknown ops leave their outputs' types alone.
void infer_graph(ir::Graph& graph, std::span<const Shape> input_shapes = {}, std::vector<Tensor>* known = nullptr);

// The same for graphs that need not be valid as a whole: a node that inference refuses leaves its outputs' types alone, and
// is told. `hints` (by ValueId; may be shorter) are shapes known from elsewhere: they fill in what inference leaves open.
struct InferFailure {
  ir::NodeId node = ir::kNone;
  std::string reason;
};
std::vector<InferFailure> infer_graph_where_possible(ir::Graph& graph, std::span<const Shape> input_shapes,
                                                     std::span<const Shape> hints);

// The whole graph with evaluate_node: slow, exact, the oracle. Inputs in graph order; all values' tensors are passed
// to `observe` if given.
std::vector<Tensor> evaluate_graph(const ir::Graph& graph, std::span<const Tensor> inputs,
                                   void (*observe)(void* state, ir::ValueId, const Tensor&) = nullptr,
                                   void* state = nullptr);

// real = scale * (integer - zero_point); round half to even, saturate. With per-axis scales, as many axes from quant.axis on as have
// scales.size() elements together are taken as one (depthwise weights).
Tensor quantize_tensor(const Tensor& real, DType dtype, const ir::Quant& quant);
Tensor dequantize_tensor(const Tensor& integers, const ir::Quant& quant);
float apply_activation(const Act& act, float x);

}  // namespace tfengine::ops
