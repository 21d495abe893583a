// SPDX-License-Identifier: Apache-2.0
// What conversion decided, as JSON: for `tfengine inspect`, Engine::report_json() and people who ask why.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/explain.h"
#include "compiler/ladder_report.h"
#include "passes/pipeline.h"
#include "plan/plan.h"
#include "quantize/rewrite.h"
#include "segment/segment.h"

namespace tfengine::detail {

// Of one layer's step, where both were timed.
struct LayerTimes {
  double float_us = 0.0;
  double int8_us = 0.0;
};

struct ConversionReport {
  passes::PassReport passes;
  segment::SegmentReport segments;
  quantize::RewriteReport rewrite;
  std::string calibrator;
  int64_t calibration_samples = 0;
  std::vector<std::string> measures;  // that were taken
  LadderReport ladder;
  std::vector<Gain> gains;                // where they were asked for
  std::vector<Explanation> explanations;  // of tensors, where something is known beyond `rewrite`
  std::map<std::string, LayerTimes> times;
  std::string memory_budget;  // what was chosen within it, and what it was chosen from (JSON); empty: there was none
  std::vector<std::string> notes;
  double seconds = 0.0;
};

std::string to_json(const ConversionReport& report);
// "2 tensors have no INT8 range, and what reads them stays in float: 'a', 'b'", for a sentence to go on from.
std::string missing_ranges_text(const std::vector<std::string>& missing);

}  // namespace tfengine::detail
