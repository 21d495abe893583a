// SPDX-License-Identifier: Apache-2.0
#include "compiler/measures.h"

#include "base/check.h"
#include "compiler/calibration_impl.h"
#include "compiler/equalize.h"
#include "compiler/rounding.h"
#include "quantize/calibration_cache.h"
#include "quantize/rules.h"
#include "quantize/tables/table_file.h"

namespace tfengine::detail {

namespace {

struct Named {
  std::string_view name;
  bool Measures::*flag;
};
constexpr Named kMeasures[] = {{"asymmetric", &Measures::asymmetric}, {"equalization", &Measures::equalization},
                               {"smoothing", &Measures::smoothing},   {"weight_mse", &Measures::weight_mse},
                               {"rounding", &Measures::rounding},     {"auto", &Measures::automatic}};

// A table of ranges does not say which inputs were never negative.
void mark_non_negative(const std::string& name, const std::set<std::string>& non_negative,
                       quantize::RangeTable& table) {
  const quantize::RangeEntry* found = table.find(name);
  if (found == nullptr || non_negative.count(name) == 0) return;
  quantize::RangeEntry entry = *found;
  entry.non_negative = true;
  table.set(name, entry);
}

// Other tools write "x:0" for the tensor that we call "x".
quantize::RangeTable with_names_of(const ir::Graph& graph, const quantize::RangeTable& table) {
  quantize::RangeTable renamed;
  for (const auto& [name, entry] : table.entries()) {
    const bool bare = name.ends_with(":0") && graph.find_value(name) == ir::kNone;
    renamed.set(bare ? name.substr(0, name.size() - 2) : name, entry);
  }
  return renamed;
}

// Two ranges that were given for one tensor, where neither is better founded.
void check_given_twice(const quantize::RangeTable& of_nodes, const quantize::RangeTable& of_file) {
  for (const auto& [name, entry] : of_file.entries()) {
    const quantize::RangeEntry* node = of_nodes.find(name);
    const bool both = node != nullptr && node->source == ir::RangeSource::Custom && entry.source == node->source;
    if (!both || node->max_abs == entry.max_abs) continue;
    fail<InvalidArgument>(
        "tensor '{}' has two different ranges: {} from node '{}' and {}, custom, from the calibration table; expected "
        "one",
        name, node->max_abs, node->origin, entry.max_abs);
  }
}

}  // namespace

std::vector<std::string> Measures::names() const {
  std::vector<std::string> names;
  for (const Named& measure : kMeasures) {
    if (this->*measure.flag) names.emplace_back(measure.name);
  }
  return names;
}

Measures without_measure(Measures measures, const std::string& name) {
  for (const Named& measure : kMeasures) {
    if (measure.name == name) measures.*measure.flag = false;
  }
  return measures;
}

Measures parse_measures(const std::vector<std::string>& names) {
  Measures measures;
  for (const std::string& name : names) {
    const auto* found = std::find_if(std::begin(kMeasures), std::end(kMeasures),
                                     [&](const Named& measure) { return measure.name == name; });
    if (found == std::end(kMeasures)) {
      fail<InvalidArgument>(
          "measure '{}' is unknown, expected asymmetric, equalization, smoothing, weight_mse, rounding or auto", name);
    }
    measures.*found->flag = true;
  }
  return measures;
}

Int8Maker::Made Int8Maker::make(const Measures& measures) {
  if (measures.needs_samples() && !has_samples()) {
    fail<InvalidArgument>(
        "the measures {} run the model on samples: give calibration data that can be read more than once",
        fmt::join(measures.names(), ", "));
  }
  if (measures.asymmetric && !may_be_asymmetric()) {
    fail<InvalidArgument>("the measure asymmetric needs zero points, which int8_grid '{}' has not", base_.int8_grid);
  }
  Made made{optimized_, base_, measures, calibrator_};
  made.recipe.asymmetric = measures.asymmetric;
  quantize::HistogramSet recounted;
  if (measures.equalization || measures.smoothing) {
    const EqualizedGraph& changed = equalized(measures);
    made.graph = changed.graph;
    made.recipe.factors = changed.result.factors;
    recounted = changed.result.counted;
  }
  made.recipe.ranges = ranges(made.graph, recounted, made.recipe);
  noted_ = true;
  if (measures.weight_mse && made.recipe.weight_range == quantize::WeightRange::PerTensor) {
    fail<InvalidArgument>(
        "the measure weight_mse looks for the range of each channel, which weights without "
        "per_channel_weights do not have");
  }
  if (measures.weight_mse) made.recipe.weight_range = quantize::WeightRange::Mse;
  if (measures.rounding && !made.recipe.ranges.empty()) {
    made.recipe.rounded = rounded(made.graph, made.recipe, measures);
  }
  return made;
}

quantize::HistogramSet Int8Maker::histograms(const Made& made) {
  quantize::HistogramSet set = options_.calibration->impl()->histograms;
  if (!made.measures.equalization && !made.measures.smoothing) return set;
  for (const auto& [name, histogram] : equalized(made.measures).result.counted.tensors) set.tensors[name] = histogram;
  return set;
}

const Int8Maker::EqualizedGraph& Int8Maker::equalized(const Measures& measures) {
  const auto [place, added] = equalized_.try_emplace({measures.equalization, measures.smoothing});
  if (!added) return place->second;
  std::vector<quantize::Behind> behind;
  if (measures.equalization) behind.push_back(quantize::Behind::Layers);
  if (measures.smoothing) behind.push_back(quantize::Behind::Norms);
  EqualizedGraph& made = place->second;
  made.graph = optimized_;
  made.result = equalize_on(made.graph, behind, *samples_, options_.max_samples, config_);
  return made;
}

const quantize::RoundedWeights& Int8Maker::rounded(const ir::Graph& graph, const Recipe& recipe,
                                                   const Measures& measures) {
  const auto [place, added] = rounded_.try_emplace({measures.equalization, measures.smoothing, measures.weight_mse});
  if (!added) return place->second;
  std::set<std::string> nodes;
  for (const quantize::NodeReport& node : rewrite(graph, recipe).report.nodes) {
    if (node.int8) nodes.insert(node.name);
  }
  RoundingOptions options;
  options.range = recipe.weight_range;
  options.centered = !recipe.means.empty();
  options.max_samples = options_.max_samples;
  options.progress = options_.progress;
  place->second = round_weights(graph, nodes, *samples_, config_, options);
  return place->second;
}

quantize::RangeTable Int8Maker::ranges(const ir::Graph& graph, const quantize::HistogramSet& recounted,
                                       Recipe& recipe) {
  quantize::RangeTable table = quantize::custom_ranges(graph);
  if (!options_.calibration_table.empty()) merge_table(graph, table);
  if (!options_.channel_means.empty()) {
    std::set<std::string> non_negative;
    quantize::ChannelMeans means =
        quantize::parse_channel_means(options_.channel_means, "the channel means", &non_negative);
    if (options_.bias_correction) recipe.means = std::move(means);
    for (const ir::ValueId id : graph.inputs) mark_non_negative(graph.value(id).name, non_negative, table);
  }
  if (options_.calibration != nullptr) merge_calibration(graph, recounted, table, recipe);
  // Strictness names the tensors.
  if (table.empty() && !options_.float_without_ranges && !options_.strict_ranges) {
    fail<InvalidArgument>("precision int8 needs ranges: give calibration data, or a model with quantization nodes");
  }
  return table;
}

void Int8Maker::merge_calibration(const ir::Graph& graph, const quantize::HistogramSet& recounted,
                                  quantize::RangeTable& table, Recipe& recipe) {
  const CalibrationImpl& calibration = *options_.calibration->impl();
  if (calibration.histograms.model_hash != model_.hash) {
    fail<InvalidArgument>("the calibration was made with another model (fingerprint {}, this model has {})",
                          calibration.histograms.model_hash, model_.hash);
  }
  const std::set<std::string> unsigned_names =
      quantize::non_negative_names(graph, quantize::seen_non_negative(calibration.histograms));
  quantize::SolvedRanges solved =
      solve(calibration, calibrator_, options_.percentile, unsigned_names, recipe.asymmetric);
  if (!noted_) report_.notes.insert(report_.notes.end(), solved.notes.begin(), solved.notes.end());
  report_.calibration_samples = static_cast<int64_t>(calibration.histograms.samples);
  table.merge(solved.table);
  table.merge(solve({recounted, {}, {}}, calibrator_, options_.percentile, unsigned_names, recipe.asymmetric).table);
  if (!options_.bias_correction) return;
  recipe.means = calibration.histograms.channel_means();
  for (auto& [name, means] : recounted.channel_means()) recipe.means[name] = means;
}

void Int8Maker::merge_table(const ir::Graph& graph, quantize::RangeTable& table) {
  quantize::TableFile file = quantize::parse_table(options_.calibration_table, "the calibration table");
  file.table = with_names_of(graph, file.table);
  report_.calibrator = file.algorithm;
  check_given_twice(table, file.table);
  table.merge(file.table);
  if (noted_) return;
  const std::vector<std::string> wanted = quantize::names_in(graph, quantize::tensors_to_observe);
  quantize::NameMismatch mismatch = quantize::compare_names(file.table, wanted);
  note_names(fmt::format("the calibration table lacks {} of {} tensors", mismatch.not_in_table.size(), wanted.size()),
             mismatch.not_in_table);
  std::erase_if(mismatch.not_in_graph, [&](const std::string& name) { return graph.find_value(name) != ir::kNone; });
  note_names(
      fmt::format("the calibration table has {} names that the graph does not have", mismatch.not_in_graph.size()),
      mismatch.not_in_graph);
}

void Int8Maker::note_names(const std::string& what, const std::vector<std::string>& names) {
  if (!names.empty()) report_.notes.push_back(fmt::format("{}: {}", what, fmt::join(names, ", ")));
}

}  // namespace tfengine::detail
