// SPDX-License-Identifier: Apache-2.0
// What a model's time costs in memory: for whoever has to choose a workspace limit or a memory budget.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tfengine/convert.h"

namespace tfengine {

// An engine that conversion could make, and what it takes.
struct MemoryPoint {
  std::string precision;                  // "fp32", "bf16", "int8"
  int64_t chunk = 0;                      // samples of one run; 0: the whole batch
  uint64_t max_workspace_size_bytes = 0;  // the limit that its tactics were chosen under
  double time_us = 0.0;                   // of the whole batch: the sum of its steps, measured one by one
  uint64_t weights_bytes = 0;
  uint64_t activation_bytes = 0;
  uint64_t workspace_bytes = 0;
  uint64_t total_bytes = 0;  // of the three: what a memory budget is compared with
};

struct MemorySweep {
  std::string model;
  int64_t batch_size = 1;
  // Of each precision, for the whole batch: the fastest engine under each workspace limit, from 0 to the largest that a tactic
  // asks for; limits at which nothing changes are left out, but for 0, 64 KiB, 1 MiB, 64 MiB and 1 GiB.
  std::vector<MemoryPoint> by_workspace;
  // Of each precision: engines that none of this precision beats in both time and total bytes, fastest first.
  std::vector<MemoryPoint> by_total;

  TFE_API std::string to_json() const;
  // Both as curves beside each other.
  TFE_API std::string to_svg() const;
};

// Measures every tactic of every step in the precisions of `options.allowed_precisions` (empty: `options.precision`), for the
// batch and the chunks that it can be run in, and makes no engine. InvalidArgument when options forbid to time tactics; else as
// convert().
TFE_API MemorySweep memory_sweep(const Model& model, const ConvertOptions& options = {});

}  // namespace tfengine
