// SPDX-License-Identifier: Apache-2.0
// From ranges and samples to what an INT8 engine is made by: applies the measures that recover accuracy, in the order in
// which they build on each other. Which of them are worth it is the caller's question (ladder.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "compiler/equalize.h"
#include "compiler/recipe.h"
#include "compiler/report.h"
#include "runtime/engine_core.h"
#include "tfengine/convert.h"

namespace tfengine::detail {

struct Measures {
  bool asymmetric = false;
  bool equalization = false;  // behind convolutions and matrix products
  bool smoothing = false;     // behind layer normalisations
  bool weight_mse = false;
  bool rounding = false;
  bool automatic = false;  // each is taken that brings the results nearer to the float ones (ladder.h)
  bool needs_samples() const { return equalization || smoothing || rounding; }
  // As ConvertOptions::measures has them.
  std::vector<std::string> names() const;
};

// All but the one of that name.
Measures without_measure(Measures measures, const std::string& name);
// InvalidArgument for a name that is none.
Measures parse_measures(const std::vector<std::string>& names);

class Int8Maker {
 public:
  // All references must outlive it. `base` has what does not depend on measures; `optimized` is the float graph.
  Int8Maker(const ModelImpl& model, const ConvertOptions& options, const ir::Graph& optimized, Recipe base,
            runtime::EngineConfig config, ConversionReport& report)
      : model_(model),
        options_(options),
        optimized_(optimized),
        base_(std::move(base)),
        config_(std::move(config)),
        report_(report),
        samples_(options.samples),
        calibrator_(options.calibrator) {}

  struct Made {
    ir::Graph graph;  // float, with the measures that change it
    Recipe recipe;
    Measures measures;
    std::string calibrator;
  };
  // InvalidArgument when measures need samples and there are none, or there is no range from anywhere.
  Made make(const Measures& measures);

  // What the ranges were worked out from, with the tensors that equalization changed as they are then.
  quantize::HistogramSet histograms(const Made& made);
  bool has_samples() const { return samples_ != nullptr; }
  // What measures are fitted on, in place of the options' samples. It must outlive the maker.
  void fit_on(BatchSource& samples) { samples_ = &samples; }
  // Whether zero points are allowed: TensorRT has none.
  bool may_be_asymmetric() const { return base_.int8_grid == "auto"; }
  bool may_equalize(quantize::Behind behind) const { return !quantize::equalizable(optimized_, behind).empty(); }
  bool has_histograms() const { return options_.calibration != nullptr; }
  const std::string& calibrator() const { return calibrator_; }
  void set_calibrator(std::string calibrator) { calibrator_ = std::move(calibrator); }

 private:
  quantize::RangeTable ranges(const ir::Graph& graph, const quantize::HistogramSet& recounted, Recipe& recipe);
  void merge_table(const ir::Graph& graph, quantize::RangeTable& table);
  void note_names(const std::string& what, const std::vector<std::string>& names);
  void merge_calibration(const ir::Graph& graph, const quantize::HistogramSet& recounted, quantize::RangeTable& table,
                         Recipe& recipe);
  struct EqualizedGraph {
    ir::Graph graph;
    Equalized result;
  };
  const EqualizedGraph& equalized(const Measures& measures);
  const quantize::RoundedWeights& rounded(const ir::Graph& graph, const Recipe& recipe, const Measures& measures);

  const ModelImpl& model_;
  const ConvertOptions& options_;
  const ir::Graph& optimized_;
  Recipe base_;
  runtime::EngineConfig config_;
  ConversionReport& report_;
  BatchSource* samples_;
  std::string calibrator_;
  bool noted_ = false;  // what ranges have to be told about stands in the report
  // What took time and does not depend on ranges.
  std::map<std::pair<bool, bool>, EqualizedGraph> equalized_;                 // by equalization and smoothing
  std::map<std::tuple<bool, bool, bool>, quantize::RoundedWeights> rounded_;  // by these and weight_mse
};

}  // namespace tfengine::detail
