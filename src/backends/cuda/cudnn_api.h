// SPDX-License-Identifier: Apache-2.0
// cuDNN's functions, loaded when first needed: from TFENGINE_CUDA_LIBRARIES (folders, separated by colons), from what the
// process has loaded, or from where the system looks.
#pragma once

#include <cudnn_graph.h>

#include <mutex>
#include <string>

namespace tfengine::cuda {

// The oldest version whose graphs have INT8 convolutions with the epilogue that conv.cpp wants.
inline constexpr int kNeededCudnnMajor = 9;
inline constexpr size_t kNeededCudnnVersion = 90000;

struct CudnnApi {
  decltype(&cudnnGetVersion) get_version = nullptr;
  decltype(&cudnnGetErrorString) get_error_string = nullptr;
  decltype(&cudnnGetLastErrorString) get_last_error_string = nullptr;
  decltype(&cudnnCreate) create = nullptr;
  decltype(&cudnnDestroy) destroy = nullptr;
  decltype(&cudnnSetStream) set_stream = nullptr;
  decltype(&cudnnBackendCreateDescriptor) create_descriptor = nullptr;
  decltype(&cudnnBackendDestroyDescriptor) destroy_descriptor = nullptr;
  decltype(&cudnnBackendSetAttribute) set_attribute = nullptr;
  decltype(&cudnnBackendGetAttribute) get_attribute = nullptr;
  decltype(&cudnnBackendFinalize) finalize = nullptr;
  decltype(&cudnnBackendExecute) execute = nullptr;
  std::string version;  // "9.19.0"
};

// InvalidArgument saying which library was looked for, found and needed.
const CudnnApi& cudnn();

// A handle of the thread's current GPU, which one thread uses at a time.
class CudnnHandle {
 public:
  CudnnHandle();
  ~CudnnHandle();
  CudnnHandle(const CudnnHandle&) = delete;
  CudnnHandle& operator=(const CudnnHandle&) = delete;
  cudnnHandle_t get() const { return handle_; }
  std::mutex& mutex() { return mutex_; }

 private:
  cudnnHandle_t handle_ = nullptr;
  std::mutex mutex_;
};

// BackendFailure with cuDNN's own message.
void check_cudnn(cudnnStatus_t status, const char* what);

}  // namespace tfengine::cuda
