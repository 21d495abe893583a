// SPDX-License-Identifier: Apache-2.0
// From an optimised float graph to the INT8 one: ranges and measures, what stays float because it is faster so, and what the
// report says of it all.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compiler/judge.h"
#include "compiler/measures.h"
#include "compiler/report.h"
#include "compiler/sample_share.h"
#include "compiler/slow_steps.h"

namespace tfengine::detail {

class Int8Stage {
 public:
  // All must outlive it. Samples are run with `config`, which is of the host, and if `timed`, steps are timed with it: when the
  // engine runs there. `recipe` has what does not depend on ranges, and takes up what is decided; `report` likewise.
  Int8Stage(const ModelImpl& model, const ConvertOptions& options, const runtime::EngineConfig& config, bool timed,
            Recipe& recipe, ConversionReport& report)
      : model_(model), options_(options), config_(config), timed_(timed), recipe_(recipe), report_(report) {}

  // `shapes`: to time steps with. InvalidArgument for options that cannot be had, and where no layer has its ranges.
  ir::Graph run(const ir::Graph& optimized, const std::vector<std::vector<Shape>>& shapes);

 private:
  using Shapes = std::vector<std::vector<Shape>>;

  Int8Maker::Made make(Int8Maker& maker, const ir::Graph& optimized);
  void judge_by(const ir::Graph& optimized, AccuracyTarget target, BatchSource& data);
  void require_int8(const quantize::RewriteReport& rewritten) const;
  SlowNodes slow_nodes_of(const ir::Graph& graph, Recipe recipe, const StepTimes& wide, const Shapes& shapes,
                          quantize::RewriteCache& cache) const;
  StepTimes keep_slow_float(const ir::Graph& graph, const StepTimes& wide, const Shapes& shapes,
                            quantize::RewriteCache& cache);
  void note_times(Int8Maker& maker, const StepTimes& wide, const StepTimes& made, const Shapes& shapes);
  void note_ranges(const quantize::RewriteReport& rewritten);
  void explain(Int8Maker& maker, const Int8Maker::Made& made, const ir::Graph& int8);

  const ModelImpl& model_;
  const ConvertOptions& options_;
  const runtime::EngineConfig& config_;
  bool timed_;
  Recipe& recipe_;
  ConversionReport& report_;
  // Shares of the samples, where measures are judged by them too.
  std::optional<SampleShare> fitted_, aside_;
  AccuracyTarget target_;
  std::optional<Judge> judge_;
};

}  // namespace tfengine::detail
