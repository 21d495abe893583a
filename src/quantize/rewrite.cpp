// SPDX-License-Identifier: Apache-2.0
#include "quantize/rewrite.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/check.h"
#include "ops/bias.h"
#include "quantize/bounds.h"
#include "quantize/decide.h"
#include "quantize/facts.h"
#include "quantize/grids.h"
#include "quantize/report.h"
#include "quantize/rules.h"

namespace tfengine::quantize {

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

// Builds the INT8 graph on a copy of the float one; ids of the float graph stay valid in it.
class Builder {
 public:
  Builder(const ir::Graph& source, const Decision& decision, const Grids& grids, const RewriteOptions& options)
      : source_(source),
        decision_(decision),
        grids_(grids),
        options_(options),
        cache_(options.cache != nullptr ? *options.cache : own_cache_),
        graph_(source) {}

  // `limit` has the last word on the graph, whose ids are still those of the float one.
  template <class Limit>
  ir::Graph build(RewriteReport& report, Limit&& limit) {
    for (ir::ValueId id = 0; id < source_.value_count(); ++id) {
      if (decision_.stored(id)) set_grid(id, grids_.of_value[at(id)]);
    }
    for (const ir::NodeId id : source_.order()) rewire(id);
    for (ir::GraphOutput& out : graph_.outputs) {
      if (decision_.stored(out.value)) out.value = float_copy(out.value);
    }
    report.corrected_biases = corrected_biases_;
    report.quantize_nodes = quantize_nodes_;
    report.dequantize_nodes = dequantize_nodes_;
    report.requantize_nodes = requantize_nodes_;
    limit(graph_);
    return graph_.compacted();
  }

 private:
  void rewire(ir::NodeId id) {
    const ir::Node node = source_.node(id);
    for (int i = 0; i < static_cast<int>(node.inputs.size()); ++i) {
      const ir::ValueId wanted = form_for(id, i);
      if (wanted != node.inputs[at(i)]) graph_.set_input(id, i, wanted);
    }
    if (decision_.int8(id)) correct_bias(id, node);
  }

  void correct_bias(ir::NodeId id, const ir::Node& node) {
    const int weight_input = rule_of(node).weight_input;
    if (options_.means == nullptr || weight_input == ir::kNone) return;
    const auto means = options_.means->find(source_.value(node.inputs[0]).name);
    if (means == options_.means->end()) return;
    const int bias = node.epilogue.bias;
    if (bias != ir::kNone && source_.input_value(node, bias).constant.dtype() != DType::F32) return;
    const auto [place, added] = cache_.bias_shifts.try_emplace(node.name);
    if (added) {
      const ir::Value& weights = graph_.input_value(graph_.node(id), weight_input);
      place->second = bias_shift(source_, node, {weights.constant, weights.quant}, means->second);
    }
    const std::vector<double>& shift = place->second;
    if (shift.empty()) return;
    std::vector<double> corrected = ops::bias_of(source_, node, static_cast<int64_t>(shift.size()));
    for (size_t i = 0; i < shift.size(); ++i) corrected[i] += shift[i];
    ops::set_bias(graph_, id, "corrected_bias", corrected);
    ++corrected_biases_;
  }

  // The value that input `index` of the node reads in the INT8 graph.
  ir::ValueId form_for(ir::NodeId id, int index) {
    const ir::Node& node = source_.node(id);
    const ir::ValueId value = node.inputs[at(index)];
    const bool constant = source_.value(value).is_constant();
    if (decision_.int8(id) && index == rule_of(node).weight_input) return weights(node, value);
    if (constant) return decision_.demands(id, index) ? constant_copy(value, shared_grid(node)) : value;
    const bool cut = grids_.cuts.count({id, index}) > 0;
    if (decision_.stored(value)) {
      if (!decision_.accepts(id, index)) return float_copy(value);
      return cut ? integer_copy(value, shared_grid(node)) : value;
    }
    if (!decision_.demands(id, index)) return value;
    return integer_copy(value, cut ? shared_grid(node) : grids_.of_value[at(value)]);
  }

  const Grid& shared_grid(const ir::Node& node) const { return grids_.of_value[at(node.outputs[0])]; }

  void set_grid(ir::ValueId id, const Grid& grid) {
    check(grid.dtype != DType::Invalid, "value '{}' has no grid", graph_.value(id).name);
    graph_.value(id).dtype = grid.dtype;
    graph_.value(id).quant = grid.quant();
  }

  ir::ValueId convert(std::string_view op, ir::ValueId value, std::string_view suffix) {
    const std::string name = graph_.unique_name(fmt::format("{}/{}", source_.value(value).name, suffix));
    const ir::ValueId out = graph_.output(graph_.add_node(std::string(op), name, {value}));
    graph_.value(out).dtype = DType::F32;
    graph_.value(out).shape = source_.value(value).shape;
    return out;
  }

  ir::ValueId float_copy(ir::ValueId value) {
    const auto [place, added] = float_copies_.try_emplace(value, ir::kNone);
    if (added) {
      place->second = convert("Dequantize", value, "float");
      ++dequantize_nodes_;
    }
    return place->second;
  }

  // Quantizes a float value or requantizes an INT8 one, once per grid.
  ir::ValueId integer_copy(ir::ValueId value, const Grid& grid) {
    if (decision_.stored(value) && grid.same(grids_.of_value[at(value)])) return value;
    const auto [place, added] =
        integer_copies_.try_emplace({value, grid.dtype, grid.scale, grid.zero_point}, ir::kNone);
    if (added) {
      const bool stored = decision_.stored(value);
      place->second = convert(stored ? "Requantize" : "Quantize", value, "int8");
      set_grid(place->second, grid);
      ++(stored ? requantize_nodes_ : quantize_nodes_);
    }
    return place->second;
  }

  ir::ValueId constant_copy(ir::ValueId value, const Grid& grid) {
    const auto [place, added] =
        integer_copies_.try_emplace({value, grid.dtype, grid.scale, grid.zero_point}, ir::kNone);
    if (added) {
      const ir::Quant quant = grid.quant();
      place->second =
          add_constant(value, ops::quantize_tensor(source_.value(value).constant, grid.dtype, quant), quant);
    }
    return place->second;
  }

  ir::ValueId weights(const ir::Node& node, ir::ValueId value) {
    if (options_.rounded != nullptr) {
      const auto rounded = options_.rounded->find(node.name);
      if (rounded != options_.rounded->end()) {
        return add_constant(value, rounded->second.tensor, rounded->second.quant);
      }
    }
    const ChannelAxis axis = channel_axis(node);
    const auto [place, added] = weights_.try_emplace({value, axis}, ir::kNone);
    if (added) {
      const std::string what = fmt::format("{} '{}'", node.op, node.name);
      const QuantizedWeights& quantized =
          cache_.weights.get(source_.value(value).constant, axis, options_.weights, what);
      place->second = add_constant(value, quantized.tensor, quantized.quant);
    }
    return place->second;
  }

  ir::ValueId add_constant(ir::ValueId original, Tensor tensor, ir::Quant quant) {
    const std::string name = graph_.unique_name(source_.value(original).name + "/int8");
    const ir::ValueId id = graph_.add_constant(name, std::move(tensor));
    graph_.value(id).quant = std::move(quant);
    return id;
  }

  const ir::Graph& source_;
  const Decision& decision_;
  const Grids& grids_;
  const RewriteOptions& options_;
  RewriteCache own_cache_;
  RewriteCache& cache_;
  ir::Graph graph_;
  std::map<ir::ValueId, ir::ValueId> float_copies_;
  std::map<std::tuple<ir::ValueId, DType, float, int>, ir::ValueId> integer_copies_;  // by value and grid
  std::map<std::pair<ir::ValueId, ChannelAxis>, ir::ValueId> weights_;
  int corrected_biases_ = 0;
  int quantize_nodes_ = 0;
  int dequantize_nodes_ = 0;
  int requantize_nodes_ = 0;
};

void fail_for_missing(const std::vector<std::string>& missing) {
  fail<InvalidArgument>(
      "[quantize] {} tensor{} no INT8 range: '{}'; calibrate with data, give their ranges by quantization nodes or a "
      "table, or keep what reads them in float",
      missing.size(), missing.size() == 1 ? " has" : "s have", fmt::join(missing, "', '"));
}

// What cannot be negative: by proof, when graph inputs are what calibration saw of them, and by custom ranges, whose
// quantization nodes clip at 0. An input that is negative after all is clipped at 0, as others are at their bound.
std::vector<bool> unsigned_candidates(const ir::Graph& graph, const RangeTable& table) {
  std::set<std::string> inputs;
  for (const ir::ValueId id : graph.inputs) {
    const RangeEntry* entry = table.find(graph.value(id).name);
    if (entry != nullptr && entry->non_negative) inputs.insert(graph.value(id).name);
  }
  std::vector<bool> known = find_non_negative(graph, inputs);
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    const RangeEntry* entry = table.find(graph.value(id).name);
    if (entry != nullptr && entry->source == ir::RangeSource::Custom && entry->non_negative) known[at(id)] = true;
  }
  return known;
}

void append(std::vector<std::string>& all, const std::vector<std::string>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

// Regions are graphs of their own, whose nodes and tensors stand behind the others in the report.
void rewrite_regions(RewriteResult& result, const RangeTable& table, const RewriteOptions& options) {
  for (const ir::NodeId id : result.graph.order()) {
    for (ir::Graph& region : result.graph.node(id).regions) {
      RewriteResult inner = rewrite_to_int8(region, table, options);
      region = std::move(inner.graph);
      RewriteReport& report = result.report;
      report.nodes.insert(report.nodes.end(), inner.report.nodes.begin(), inner.report.nodes.end());
      report.tensors.insert(report.tensors.end(), inner.report.tensors.begin(), inner.report.tensors.end());
      append(report.missing, inner.report.missing);
      append(report.unused, inner.report.unused);
      append(report.bounded, inner.report.bounded);
      // What one graph does not have, another may.
      const std::set<std::string> absent(inner.report.ignored.begin(), inner.report.ignored.end());
      std::erase_if(report.ignored, [&](const std::string& name) { return absent.count(name) == 0; });
      report.corrected_biases += inner.report.corrected_biases;
      report.quantize_nodes += inner.report.quantize_nodes;
      report.dequantize_nodes += inner.report.dequantize_nodes;
      report.requantize_nodes += inner.report.requantize_nodes;
    }
  }
}

}  // namespace

RewriteResult rewrite_to_int8(const ir::Graph& graph, const RangeTable& table, const RewriteOptions& options) {
  const std::vector<std::optional<ir::Range>> ranges = resolve_ranges(graph, table);
  const Decision decision = decide(graph, ranges, options);
  if (options.missing == MissingRange::Error && !decision.missing.empty()) fail_for_missing(decision.missing);
  const std::vector<bool> candidates = unsigned_candidates(graph, table);
  const Grids grids = assign_grids(graph, decision, ranges, candidates, options);
  RewriteResult result;
  result.report = make_report(graph, table, ranges, decision, grids);
  result.graph = Builder(graph, decision, grids, options).build(result.report, [&](ir::Graph& made) {
    const auto slow = [](const NodeChoice& choice) { return choice.reason == NodeReason::SlowerInInt8; };
    if (std::none_of(decision.nodes.begin(), decision.nodes.end(), slow)) return;
    RewriteOptions patient = options;
    patient.prefer_float = nullptr;
    const Decision whole = decide(graph, ranges, patient);
    const Grids whole_grids = assign_grids(graph, whole, ranges, candidates, patient);
    const auto names = bound_given_ranges(graph, ranges, {whole, whole_grids}, {decision, grids}, made);
    result.report.bounded.assign(names.begin(), names.end());
  });
  rewrite_regions(result, table, options);
  return result;
}

}  // namespace tfengine::quantize
