// SPDX-License-Identifier: Apache-2.0
#include "compiler/int8_stage.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "compiler/gains.h"
#include "compiler/ladder.h"

namespace tfengine::detail {

namespace {

// Within the noise of the measurement INT8 wins, for its smaller tensors and weights. Steps timed apart find their tensors in
// the cache, where float ones of four times the size will not be: so the whole has to gain clearly.
constexpr SlowRule kSlowInt8{1.15, 2.0, 0.93};

// The figures of a tensor settle after a few.
constexpr int64_t kExplainSamples = 8;

// Where there is no contract: as near to the float model as can be.
AccuracyTarget as_near_as_possible(const ConvertOptions& options) {
  AccuracyTarget target;
  target.share = 1.0;
  target.max_samples = std::max<int64_t>(options.max_samples / 2, 1);
  return target;
}

}  // namespace

ir::Graph Int8Stage::run(const ir::Graph& optimized, const Shapes& shapes) {
  Int8Maker maker(model_, options_, optimized, recipe_, config_, report_);
  Int8Maker::Made made = make(maker, optimized);
  recipe_ = made.recipe;
  if (recipe_.ranges.empty() && !options_.strict_ranges) {
    report_.notes.emplace_back("precision int8 was asked for, but there are no ranges: the engine is float");
    return std::move(made.graph);
  }
  quantize::RewriteCache cache;
  // What strictness or the options refuse, it refuses before anything is timed.
  quantize::RewriteResult result = rewrite(made.graph, recipe_, &cache);
  require_int8(result.report);
  const bool timed = options_.avoid_slow_int8 && timed_ && can_time(config_);
  StepTimes wide, narrow;
  if (timed) {
    wide = time_steps(made.graph, config_, shapes);
    narrow = keep_slow_float(made.graph, wide, shapes, cache);
    result = rewrite(made.graph, recipe_, &cache);
  }
  note_ranges(result.report);
  report_.rewrite = std::move(result.report);
  // By the samples that measures were fitted on, if any: what each of them gains is told apart by the same ones.
  if (options_.explain && options_.samples != nullptr && !judge_) {
    judge_by(optimized, as_near_as_possible(options_), *options_.samples);
  }
  explain(maker, made, result.graph);
  if (timed) note_times(maker, wide, narrow, shapes);
  return std::move(result.graph);
}

// The measures that were asked for, or those that the accuracy contract takes.
Int8Maker::Made Int8Stage::make(Int8Maker& maker, const ir::Graph& optimized) {
  Measures measures = parse_measures(options_.measures);
  const bool contract = options_.target.share != 0.0;
  if (!contract && !measures.automatic) return maker.make(measures);
  BatchSource* data = contract && options_.target.data != nullptr ? options_.target.data : options_.samples;
  if (data == nullptr) fail<InvalidArgument>("target accuracy: give calibration data, or labelled data");
  if (data == options_.samples && can_share(*data)) {
    fitted_.emplace(*data, Share::Fitted);
    aside_.emplace(*data, Share::Aside);
    maker.fit_on(*fitted_);
    data = &*aside_;
  }
  judge_by(optimized, contract ? options_.target : as_near_as_possible(options_), *data);
  measures.automatic = false;
  return climb(maker, *judge_, measures, contract, report_.ladder);
}

void Int8Stage::judge_by(const ir::Graph& optimized, AccuracyTarget target, BatchSource& data) {
  target_ = std::move(target);
  judge_.emplace(optimized, target_, data, config_);
}

// An engine that is called INT8 and is not would be found out by its speed.
void Int8Stage::require_int8(const quantize::RewriteReport& rewritten) const {
  const auto is_int8 = [](const quantize::NodeReport& node) { return node.int8; };
  if (options_.float_without_ranges || rewritten.missing.empty() ||
      std::any_of(rewritten.nodes.begin(), rewritten.nodes.end(), is_int8)) {
    return;
  }
  fail<InvalidArgument>(
      "precision int8: no node has the ranges that it needs: {} (the ranges are for {} tensors, as '{}'); calibrate "
      "this "
      "model with data, or give a table that has its tensors",
      missing_ranges_text(rewritten.missing), recipe_.ranges.entries().size(), recipe_.ranges.entries().begin()->first);
}

SlowNodes Int8Stage::slow_nodes_of(const ir::Graph& graph, Recipe recipe, const StepTimes& wide, const Shapes& shapes,
                                   quantize::RewriteCache& cache) const {
  const auto int8 = [&](const std::set<std::string>& slow) {
    recipe.slow = slow;
    return time_steps(rewrite(graph, recipe, &cache).graph, config_, shapes);
  };
  return slow_nodes(wide, int8, kSlowInt8);
}

// Gives the times of the graph that comes of it.
StepTimes Int8Stage::keep_slow_float(const ir::Graph& graph, const StepTimes& wide, const Shapes& shapes,
                                     quantize::RewriteCache& cache) {
  SlowNodes found = slow_nodes_of(graph, recipe_, wide, shapes, cache);
  report_.notes.push_back(fmt::format(
      "steps measured apart: float {:.0f} us, int8 {:.0f} us; {} nodes stay float because they are faster so",
      found.wide_us, found.narrow.total_us, found.names.size()));
  recipe_.slow = std::move(found.names);
  return std::move(found.narrow);
}

// What INT8 gains each layer, and what the ladder's measures and floats cost.
void Int8Stage::note_times(Int8Maker& maker, const StepTimes& wide, const StepTimes& made, const Shapes& shapes) {
  for (const auto& [name, us] : made.by_node) {
    const auto found = wide.by_node.find(name);
    if (found != wide.by_node.end()) report_.times[name] = {found->second, us};
  }
  LadderReport& ladder = report_.ladder;
  if (ladder.rungs.empty()) return;
  ladder.plain_us = ladder.final_us = made.total_us;
  if (ladder.rungs.size() == 1) return;
  Measures given = parse_measures(options_.measures);
  given.automatic = false;
  const Int8Maker::Made plain = maker.make(given);
  quantize::RewriteCache cache;
  // With its own slow nodes in float, as the engine has them: else the two would differ by more than accuracy.
  ladder.plain_us = slow_nodes_of(plain.graph, plain.recipe, wide, shapes, cache).narrow.total_us;
}

void Int8Stage::note_ranges(const quantize::RewriteReport& rewritten) {
  if (!rewritten.missing.empty()) {
    report_.notes.push_back(missing_ranges_text(rewritten.missing) +
                            ". Ranges come of calibration data, a calibration table, or a FakeQuantWithMinMaxVars or "
                            "QuantizeAndDequantizeV2 node behind the tensor; strict_ranges makes this an error");
  }
  const std::set<std::string> bounded(rewritten.bounded.begin(), rewritten.bounded.end());
  std::vector<std::string> without_effect;
  std::copy_if(rewritten.unused.begin(), rewritten.unused.end(), std::back_inserter(without_effect),
               [&](const std::string& name) { return bounded.count(name) == 0; });
  if (!without_effect.empty()) {
    report_.notes.push_back(
        fmt::format("given ranges without effect, since these tensors are float: {}", fmt::join(without_effect, ", ")));
  }
  if (!bounded.empty()) {
    report_.notes.push_back(
        fmt::format("given ranges that limit their tensors without rounding them, since these are faster in float: {}",
                    fmt::join(bounded, ", ")));
  }
}

void Int8Stage::explain(Int8Maker& maker, const Int8Maker::Made& made, const ir::Graph& int8) {
  report_.measures = made.measures.names();
  if (options_.calibration != nullptr) {
    report_.calibrator = made.calibrator;
    report_.explanations = explain_grids(report_.rewrite, maker.histograms(made));
  }
  if (!options_.explain) return;
  if (options_.samples == nullptr) {
    report_.notes.emplace_back(
        "explain: without samples, nothing is known of how far tensors are from the float model's");
    return;
  }
  explain_on(report_.explanations, report_.rewrite, made.graph, int8, *options_.samples, kExplainSamples, config_);
  report_.gains = measure_gains(maker, *judge_, made);
}

}  // namespace tfengine::detail
