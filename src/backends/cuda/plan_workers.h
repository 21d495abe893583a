// SPDX-License-Identifier: Apache-2.0
// Compiles many plans at once in processes of our own program tfengine-cuda-worker: within one process cuDNN compiles
// them one after the other. Where the program is missing they are compiled here.
#pragma once

#include <string>
#include <vector>

#include "backends/cuda/cudnn_conv.h"

namespace tfengine::cuda {

struct CompiledPlan {
  ConvConfig config;
  size_t workspace_bytes = 0;
  std::string bytes;  // ConvPlan::serialize()
};

// Those of the configurations that compile, in their order. `gpu` is whose plans they are.
std::vector<CompiledPlan> compile_plans(int gpu, CudnnHandle& handle, const ConvProblem& problem,
                                        const std::vector<ConvConfig>& configs);
// The program's side: serves requests from standard input until it ends.
int serve_plans(int gpu);
// Ends the processes, and with them the memory they take on the GPU; the next compilation starts them again.
void end_workers();

}  // namespace tfengine::cuda
