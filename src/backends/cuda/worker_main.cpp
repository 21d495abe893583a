// SPDX-License-Identifier: Apache-2.0
// tfengine-cuda-worker GPU: compiles cuDNN's plans for a tfengine process that started it. Not for people to call.
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "backends/cuda/plan_workers.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    (void)std::fprintf(stderr, "tfengine-cuda-worker: tfengine starts it by itself to compile for a GPU\n");
    return 2;
  }
  try {
    return tfengine::cuda::serve_plans(std::atoi(argv[1]));
  } catch (const std::exception& error) {
    (void)std::fprintf(stderr, "tfengine-cuda-worker: %s\n", error.what());
    return 1;
  }
}
