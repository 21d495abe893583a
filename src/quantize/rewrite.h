// SPDX-License-Identifier: Apache-2.0
// The INT8 rewrite: a fused float graph and the ranges of its tensors become a graph whose values carry S8 or U8 with
// their scales and zero points, weights as S8 constants with a scale per output channel, biases in float, and Quantize, Dequantize and
// Requantize nodes where precisions meet. Every tensor and node says whether it is INT8, and why.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/refusal.h"
#include "quantize/bias_correction.h"
#include "quantize/range_table.h"
#include "quantize/weights.h"

namespace tfengine::quantize {

enum class Int8Grid : uint8_t {
  Best,      // unsigned, with one more bit, for tensors that cannot be negative
  TensorRT,  // signed everywhere
};

enum class MissingRange : uint8_t {
  Error,      // InvalidArgument naming the tensors
  KeepFloat,  // what needs them stays float
};

// What rewrites of one graph with the same channel means share, which differ in what they keep in float.
struct RewriteCache {
  WeightsCache weights;
  std::map<std::string, std::vector<double>> bias_shifts;  // by node name
};

struct RewriteOptions {
  Int8Grid grid = Int8Grid::Best;
  MissingRange missing = MissingRange::Error;
  WeightRange weights = WeightRange::Max;
  // Weights to take instead of rounding to nearest; null: none.
  const RoundedWeights* rounded = nullptr;
  // Corrects biases for the rounding of weights where the input's means are known; null: nowhere.
  const ChannelMeans* means = nullptr;
  std::set<std::string> keep_float;  // names of nodes
  bool float_gates = true;           // squeeze-and-excitation branches stay in float (gates.h)
  // Activations whose values lie mostly on one side of zero get a zero point, with `grid` Best.
  bool asymmetric = false;
  // The backend's say about a node whose input of this index (ir::kNone: whose outputs) has a zero point: nullopt when it
  // can run it. Unset: all.
  std::function<std::optional<Refusal>(const ir::Graph&, const ir::Node&, int)> zero_point_ok;
  // The backend's say about a node of the float graph, or of a region: nullopt when it can run it in INT8. Unset: all.
  std::function<std::optional<Refusal>(const ir::Graph&, const ir::Node&)> int8_ok;
  // True where INT8 is possible and expected to be slower than float. Unset: nowhere.
  std::function<bool(const ir::Node&)> prefer_float;
  // What former rewrites worked out, and this one adds to. Null: each rewrite works by itself.
  RewriteCache* cache = nullptr;
};

enum class NodeReason : uint8_t {
  Int8,
  FloatOnlyOp,    // no INT8 meaning: Softmax, LayerNorm
  NotFloatData,   // works on integers, such as shapes
  PrecisionLoss,  // Exp, Rsqrt ...: INT8 arguments lose too much
  UserChoice,     // denylisted or in keep_float
  Gate,           // computes factors of whole channels
  BackendRefusal,
  SlowerInInt8,  // prefer_float said so
  NoRange,
  WeightsNotConstant,
  NoInt8Neighbour,  // would only convert to INT8 and back
};
std::string_view reason_name(NodeReason reason);

struct NodeReport {
  std::string name;
  std::string op;
  bool int8 = false;
  NodeReason reason = NodeReason::Int8;
  std::string text;  // a sentence
};

struct TensorReport {
  std::string name;
  DType dtype = DType::F32;  // S8 or U8 when INT8
  float scale = 0.0f;        // 0 for float
  int zero_point = 0;
  float max_abs = 0.0f;                   // of the grid; for float tensors of their own range, or 0
  std::optional<ir::RangeSource> source;  // empty: no range
  std::string origin;
  std::string text;  // a sentence
};

struct RewriteReport {
  std::vector<NodeReport> nodes;      // in order of execution
  std::vector<TensorReport> tensors;  // float activations of the float graph, by id
  std::vector<std::string> ignored;   // custom ranges of tensors that the graph no longer has
  std::vector<std::string> unused;    // tensors with custom ranges that stay float, which nothing rounds to their range
  // Of those, the ones that are float for speed's sake (prefer_float): their values are limited to their ranges all the same.
  std::vector<std::string> bounded;
  std::vector<std::string> missing;  // tensors whose missing range kept nodes in float
  int corrected_biases = 0;
  int quantize_nodes = 0;
  int dequantize_nodes = 0;
  int requantize_nodes = 0;
};

struct RewriteResult {
  ir::Graph graph;
  RewriteReport report;
};

// `graph` has inferred types. What goes into and comes out of regions stays float. Values keep their names; a value that crosses a border has a copy "<name>/int8" or
// "<name>/float". InvalidArgument for missing ranges, InvalidModel for weights that are not finite.
RewriteResult rewrite_to_int8(const ir::Graph& graph, const RangeTable& table, const RewriteOptions& options);

}  // namespace tfengine::quantize
