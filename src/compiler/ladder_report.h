// SPDX-License-Identifier: Apache-2.0
// What an accuracy contract measured and took, as plain data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tfengine::detail {

struct Score {
  double value = 0.0;       // by labels or the caller's function; without both the agreement
  double agreement = 0.0;   // share of samples whose largest output is the float graph's
  double db = 0.0;          // signal-to-noise of the outputs, of probabilities in logits: of the worst one
  double typical_db = 0.0;  // the mean of the samples' own, which one bad sample does not decide
  int64_t samples = 0;
};

struct Rung {
  std::string what;  // "plain INT8", "rounding", "3 layers in float"
  Score score;
  std::string text;  // the score in the target's terms
  bool kept = false;
};

// What one measure brings, all others staying: signal-to-noise of the outputs with it less that without it.
struct Gain {
  std::string what;  // "bias correction", "rounding"
  double db = 0.0;
};

struct LadderReport {
  std::string terms;  // what is measured and how much of it is good enough; empty: no contract
  std::vector<Rung> rungs;
  std::vector<std::string> float_layers;  // in order of execution
  bool contract = false;                  // there was a target
  bool holds = false;
  // Of one run, summed over its steps, INT8 without and with what the contract took; 0 where nothing was timed.
  double plain_us = 0.0, final_us = 0.0;
};

}  // namespace tfengine::detail
