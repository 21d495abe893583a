// SPDX-License-Identifier: Apache-2.0
// Kernels for GPUs, in builds that have a GPU backend: in another, TensorFlow would give operations to the GPU, where no
// engine runs, rather than to the CPU. A TensorFlow without GPUs never asks for them.
#include "plugin/resource_ops.h"
#include "plugin/trt_engine_op.h"

namespace tfengine::plugin {

namespace {

REGISTER_KERNEL_BUILDER(Name("TRTEngineOp").Device(tensorflow::DEVICE_GPU), TRTEngineOp);

[[maybe_unused]] const bool registered = [] {
  register_gpu_resource_kernels();
  return true;
}();

}  // namespace

}  // namespace tfengine::plugin
