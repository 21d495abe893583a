// SPDX-License-Identifier: Apache-2.0
// The CUDA runtime's status values as exceptions.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

namespace tfengine::cuda {

// BackendFailure saying what was tried.
void check_cuda(cudaError_t status, const char* what);
// Behind a kernel's launch.
void check_launch(const char* kernel);

// Makes a GPU the thread's current one while it lives.
class UseGpu {
 public:
  explicit UseGpu(int index);
  ~UseGpu();
  UseGpu(const UseGpu&) = delete;
  UseGpu& operator=(const UseGpu&) = delete;

 private:
  int before_ = -1;
};

}  // namespace tfengine::cuda
