// SPDX-License-Identifier: Apache-2.0
// MatMul and BatchMatMulV2, float, bf16 and INT8.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics matmul_tactics(const StepSpec& spec);
Tactics batch_matmul_tactics(const StepSpec& spec);

// [m, k] x [k, n] with constant weights at input 1 (stored [n, k] when transposed).
struct MatrixProblem {
  int64_t m = 0, k = 0, n = 0;
  bool weights_transposed = false;
};
void add_dnnl_matmul(const StepSpec& spec, const MatrixProblem& problem, std::vector<Tactic>& tactics);

}  // namespace tfengine::onednn
