// SPDX-License-Identifier: Apache-2.0
// What conversion decided, as JSON: for `tfengine inspect`, Engine::report_json() and people who ask why.
#pragma once

#include <string>
#include <vector>

#include "passes/pipeline.h"
#include "plan/plan.h"
#include "quantize/rewrite.h"
#include "segment/segment.h"

namespace tfengine::detail {

struct ConversionReport {
  passes::PassReport passes;
  segment::SegmentReport segments;
  quantize::RewriteReport rewrite;
  std::string calibrator;
  int64_t calibration_samples = 0;
  std::vector<std::string> notes;
  double seconds = 0.0;
};

std::string to_json(const ConversionReport& report);

}  // namespace tfengine::detail
