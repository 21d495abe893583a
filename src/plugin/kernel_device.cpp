// SPDX-License-Identifier: Apache-2.0
#include "plugin/kernel_device.h"

#include "plugin/allocator.h"
#include "tensorflow/core/framework/device.h"
#include "tensorflow/core/framework/device_base.h"
#include "tfengine/gpu.h"
#include "xla/stream_executor/stream.h"

namespace tfengine::plugin {

namespace tf = tensorflow;

namespace {

// TensorFlow's allocators of GPU memory give no coarser alignment.
constexpr size_t kGpuAlignment = 256;

// TensorFlow's memory of a GPU. What it gives may still be used by work that its stream holds, and what comes back is given
// to work that its stream gets: all of it is in order with that stream.
class GpuAllocator : public DeviceAllocator {
 public:
  GpuAllocator(tf::Allocator* allocator, int gpu, stream_executor::Stream* stream)
      : DeviceAllocator(allocator), gpu_(gpu), stream_(stream) {}

  Device device() const noexcept override { return {DeviceKind::Cuda, gpu_}; }

  // For any stream: behind what TensorFlow's own holds by now.
  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override {
    if (alignment > kGpuAlignment) return nullptr;
    void* pointer = DeviceAllocator::allocate(bytes, alignment, purpose);
    if (pointer == nullptr || is_idle()) return pointer;
    DeviceAllocator::deallocate(pointer, bytes, purpose);
    return nullptr;
  }
  void* allocate_on(Stream stream, size_t bytes, size_t alignment, Purpose purpose) noexcept override {
    if (alignment > kGpuAlignment) return nullptr;
    if (stream != stream_->platform_specific_handle().stream) return allocate(bytes, alignment, purpose);
    return DeviceAllocator::allocate(bytes, alignment, purpose);
  }

 private:
  bool is_idle() noexcept {
    try {
      return stream_->BlockHostUntilDone().ok();
    } catch (...) {
      return false;
    }
  }

  int gpu_;
  stream_executor::Stream* stream_;
};

bool is_device_integer(tf::OpKernelContext* context, tf::DataType type) {
  return type == tf::DT_INT32 && KernelDevice::stream(context) != nullptr;
}

}  // namespace

KernelDevice::KernelDevice(tf::DeviceBase* device) : device_(device) {
  if (device->device_type() == tf::DEVICE_CPU) return;
  const auto* info = device->tensorflow_accelerator_device_info();
  if (info == nullptr || info->stream == nullptr || info->default_context == nullptr) {
    why_not_ = "device " + device->name() + " has no stream that TensorFlow shows";
  } else if (info->default_context->IsPluggableDevice() || info->use_pjrt_tensor_buffer) {
    why_not_ = "device " + device->name() + " is no CUDA device of TensorFlow's own";
  } else {
    why_not_ = gpu_absence();
  }
  if (!why_not_.empty()) return;
  stream_ = info->stream;
  gpu_ = info->gpu_id;  // as CUDA numbers them, whatever TensorFlow calls the device
}

OpPlace KernelDevice::place() const {
  tf::AllocatorAttributes on_host;
  on_host.set_on_host(true);
  const auto host = std::make_shared<DeviceAllocator>(device_->GetAllocator(on_host));
  if (stream_ == nullptr) return OpPlace(host);
  auto memory = std::make_shared<GpuAllocator>(device_->GetAllocator(tf::AllocatorAttributes()), gpu_, stream_);
  return {"cuda:" + std::to_string(gpu_), std::move(memory), host};
}

Stream KernelDevice::stream(tf::OpKernelContext* context) {
  const tf::DeviceContext* device = context->op_device_context();
  stream_executor::Stream* stream = device == nullptr ? nullptr : device->stream();
  return stream == nullptr ? nullptr : stream->platform_specific_handle().stream;
}

absl::Status integers_to_host(tf::OpKernelContext* context, std::vector<tf::Tensor>& tensors) {
  for (tf::Tensor& tensor : tensors) {
    if (!is_device_integer(context, tensor.dtype())) continue;
    tf::AllocatorAttributes on_host;
    on_host.set_on_host(true);
    tf::Tensor copy;
    TF_RETURN_IF_ERROR(context->allocate_temp(tensor.dtype(), tensor.shape(), &copy, on_host));
    TF_RETURN_IF_ERROR(context->op_device_context()->CopyDeviceTensorToCPUSync(
        &tensor, "an argument", static_cast<tf::Device*>(context->device()), &copy));
    tensor = copy;
  }
  return absl::OkStatus();
}

absl::Status integers_to_device(tf::OpKernelContext* context, std::vector<tf::Tensor>& tensors) {
  for (tf::Tensor& tensor : tensors) {
    if (!is_device_integer(context, tensor.dtype())) continue;
    tf::Tensor copy;
    TF_RETURN_IF_ERROR(context->allocate_temp(tensor.dtype(), tensor.shape(), &copy));
    TF_RETURN_IF_ERROR(context->op_device_context()->CopyCPUTensorToDeviceSync(
        &tensor, static_cast<tf::Device*>(context->device()), &copy));
    tensor = copy;
  }
  return absl::OkStatus();
}

}  // namespace tfengine::plugin
