// SPDX-License-Identifier: Apache-2.0
#include "compiler/ladder.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/check.h"
#include "quantize/facts.h"

namespace tfengine::detail {

namespace {

using Made = Int8Maker::Made;

// Below this a measure's gain is chance, and not worth its time at conversion.
constexpr double kGainDb = 0.1;
// Samples by which layers are told apart: each layer is measured by itself.
constexpr int64_t kSensitivitySamples = 16;

struct Layer {
  std::string name;
  size_t place = 0;    // in order of execution
  double worth = 0.0;  // noise that goes when it is float, by multiplication
};

double noise_of(const Score& score) {
  return std::isfinite(score.typical_db) ? std::pow(10.0, -score.typical_db / 10.0) : 0.0;
}

// Multiplications of one sample: what a layer costs in float is near to proportional.
double multiplications(const ir::Graph& graph, const ir::Node& node) {
  const Tensor& weights = graph.input_value(node, quantize::rule_of(node).weight_input).constant;
  const Shape& out = graph.value(node.outputs[0]).shape;
  double positions = 1.0;
  for (size_t i = 1; out.ranked() && i + 1 < out.rank(); ++i)
    positions *= static_cast<double>(std::max<int64_t>(out[i], 1));
  return positions * static_cast<double>(weights.elements());
}

class Climber {
 public:
  Climber(Int8Maker& maker, const Judge& judge, bool contract, LadderReport& report)
      : maker_(maker), judge_(judge), contract_(contract), report_(report) {}

  Made run(Measures measures) {
    report_.terms = contract_ ? judge_.terms() : "measures that bring the results nearer to the float model's";
    report_.contract = contract_;
    made_ = maker_.make(measures);
    score_ = score(made_, INT64_MAX);
    add_rung(measures.names().empty() ? "plain INT8" : "INT8 with the given measures", score_, true);
    // Ranges cost nothing to try, and rounding is then worked out once. What it changed may ask for other ranges.
    try_calibrators(measures);
    for (bool Measures::*measure : {&Measures::asymmetric, &Measures::weight_mse, &Measures::rounding,
                                    &Measures::equalization, &Measures::smoothing}) {
      if (done(score_)) break;
      if (measures.*measure) continue;
      Measures more = measures;
      more.*measure = true;
      if (more.asymmetric && !maker_.may_be_asymmetric()) continue;
      if (more.needs_samples() && !maker_.has_samples()) continue;
      if (measure == &Measures::equalization && !maker_.may_equalize(quantize::Behind::Layers)) continue;
      if (measure == &Measures::smoothing && !maker_.may_equalize(quantize::Behind::Norms)) continue;
      Measures alone;
      alone.*measure = true;
      if (try_made(maker_.make(more), alone.names()[0])) measures = more;
    }
    if (measures.needs_samples()) try_calibrators(measures);
    if (contract_ && !done(score_)) return_to_float();
    report_.holds = done(score_);
    return std::move(made_);
  }

 private:
  // What rewrites with the same measures share: their weights, and what rounding those does to biases.
  quantize::RewriteResult rewritten(const Made& made) const {
    return rewrite(made.graph, made.recipe, &caches_[made.measures.names()]);
  }

  Score score(const Made& made, int64_t most) const { return judge_.score(rewritten(made).graph, most); }

  bool done(const Score& score) const { return contract_ && judge_.holds(score); }

  void add_rung(std::string what, const Score& score, bool kept) {
    report_.rungs.push_back({std::move(what), score, judge_.text(score), kept});
  }

  bool try_made(Made made, const std::string& what) {
    const Score found = score(made, INT64_MAX);
    const bool better = done(found) || found.typical_db > score_.typical_db + kGainDb;
    add_rung(what, found, better);
    if (!better) return false;
    made_ = std::move(made);
    score_ = found;
    return true;
  }

  void try_calibrators(const Measures& measures) {
    if (!maker_.has_histograms()) return;
    const std::string first = maker_.calibrator();
    for (const char* calibrator : {"percentile", "mse", "auto"}) {
      if (done(score_)) return;
      if (first == calibrator) continue;
      const std::string before = maker_.calibrator();
      maker_.set_calibrator(calibrator);
      if (!try_made(maker_.make(measures), fmt::format("calibrator {}", calibrator))) maker_.set_calibrator(before);
    }
  }

  // Most worth for its cost first.
  std::vector<Layer> layers() const {
    std::vector<Layer> found;
    const quantize::RewriteResult current = rewritten(made_);
    const double noise = noise_of(judge_.score(current.graph, kSensitivitySamples));
    std::map<std::string, ir::NodeId> nodes;
    for (const ir::NodeId id : made_.graph.order()) nodes[made_.graph.node(id).name] = id;
    for (size_t i = 0; i < current.report.nodes.size(); ++i) {
      const quantize::NodeReport& row = current.report.nodes[i];
      const ir::Node& node = made_.graph.node(nodes.at(row.name));
      if (!row.int8 || quantize::rule_of(node).weight_input == ir::kNone) continue;
      Made trial = made_;
      trial.recipe.keep_float.insert(row.name);
      const double gained = noise - noise_of(score(trial, kSensitivitySamples));
      found.push_back({row.name, i, gained / std::sqrt(multiplications(made_.graph, node))});
    }
    std::stable_sort(found.begin(), found.end(), [](const Layer& a, const Layer& b) { return a.worth > b.worth; });
    return found;
  }

  Made with_float(const std::vector<Layer>& layers) const {
    Made made = made_;
    for (const Layer& layer : layers) made.recipe.keep_float.insert(layer.name);
    return made;
  }

  bool holds_with(const std::vector<Layer>& layers, Score& found) const {
    found = score(with_float(layers), INT64_MAX);
    return judge_.holds(found);
  }

  void return_to_float() {
    const std::vector<Layer> all = layers();
    if (all.empty()) return;
    std::vector<Layer> chosen = shortest(all);
    // What came in early may no longer be needed.
    for (size_t i = 0; i < chosen.size() && chosen.size() > 1;) {
      std::vector<Layer> fewer = chosen;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      Score found;
      if (holds_with(fewer, found)) {
        chosen = std::move(fewer);
      } else {
        ++i;
      }
    }
    std::sort(chosen.begin(), chosen.end(), [](const Layer& a, const Layer& b) { return a.place < b.place; });
    made_ = with_float(chosen);
    score_ = score(made_, INT64_MAX);
    for (const Layer& layer : chosen) report_.float_layers.push_back(layer.name);
    add_rung(fmt::format("{} layer{} in float", chosen.size(), chosen.size() == 1 ? "" : "s"), score_, true);
  }

  // The shortest beginning of `all` that holds: found by doubling, then by halving.
  std::vector<Layer> shortest(const std::vector<Layer>& all) const {
    const auto first = [&](size_t n) {
      return std::vector<Layer>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n));
    };
    Score found;
    size_t low = 0, high = 1;
    while (high < all.size() && !holds_with(first(high), found)) {
      low = high;
      high = std::min(2 * high, all.size());
    }
    while (low + 1 < high) {
      const size_t middle = (low + high) / 2;
      (holds_with(first(middle), found) ? high : low) = middle;
    }
    return first(high);
  }

  Int8Maker& maker_;
  const Judge& judge_;
  bool contract_;
  LadderReport& report_;
  mutable std::map<std::vector<std::string>, quantize::RewriteCache> caches_;  // by measures
  Made made_;
  Score score_;
};

}  // namespace

Made climb(Int8Maker& maker, const Judge& judge, Measures measures, bool contract, LadderReport& report) {
  return Climber(maker, judge, contract, report).run(measures);
}

}  // namespace tfengine::detail
