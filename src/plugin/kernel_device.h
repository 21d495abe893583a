// SPDX-License-Identifier: Apache-2.0
// The device that TensorFlow made a kernel for, as engines need it: the only file that knows TensorFlow's GPUs. Everything
// here is virtual functions and fields of TensorFlow's headers, so that the op library loads where TensorFlow has no GPU code.
#pragma once

#include <string>

#include "plugin/op_engine.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfengine::plugin {

class KernelDevice {
 public:
  explicit KernelDevice(tensorflow::DeviceBase* device);

  bool on_gpu() const { return stream_ != nullptr || !why_not_.empty(); }
  // Why no engine can run there, and the native segment has to; empty: one can.
  const std::string& why_not() const { return why_not_; }
  // Memory of the device's allocators, for engines.
  OpPlace place() const;
  // Of this call; null on the host.
  static Stream stream(tensorflow::OpKernelContext* context);

 private:
  tensorflow::DeviceBase* device_;
  stream_executor::Stream* stream_ = nullptr;  // the GPU's, which its allocator orders memory by; null: the host
  int gpu_ = -1;
  std::string why_not_;
};

// TensorFlow's functions take and give 32-bit integers in the host's memory, on whatever device they run; a kernel of a GPU
// has them there. Both copy on GPUs, waiting for it, and are nothing elsewhere.
absl::Status integers_to_host(tensorflow::OpKernelContext* context, std::vector<tensorflow::Tensor>& tensors);
absl::Status integers_to_device(tensorflow::OpKernelContext* context, std::vector<tensorflow::Tensor>& tensors);

}  // namespace tfengine::plugin
