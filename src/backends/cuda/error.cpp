// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/error.h"

#include "base/check.h"

namespace tfengine::cuda {

void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // the next call must not report it again
  throw BackendFailure(fmt::format("CUDA: {}: {} ({})", what, cudaGetErrorString(status), cudaGetErrorName(status)),
                       static_cast<int>(status));
}

void check_launch(const char* kernel) { check_cuda(cudaPeekAtLastError(), kernel); }

UseGpu::UseGpu(int index) {
  check_cuda(cudaGetDevice(&before_), "asking for the current GPU");
  if (before_ != index) check_cuda(cudaSetDevice(index), "choosing a GPU");
}

UseGpu::~UseGpu() {
  if (before_ >= 0) (void)cudaSetDevice(before_);
}

}  // namespace tfengine::cuda
