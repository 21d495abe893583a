// SPDX-License-Identifier: Apache-2.0
// A device of type GPU for a TensorFlow that has none, over the GPU of support/host_gpu.h: memory that the host cannot touch,
// a stream that computes later. With it and the op library's code, host_gpu_tensorflow is the op library of a machine with a
// GPU in all but what computes.
#include <algorithm>
#include <cstring>
#include <functional>
#include <map>

#include "support/host_gpu.h"
#include "tensorflow/core/common_runtime/gpu/gpu_id_manager.h"
#include "tensorflow/core/common_runtime/local_device.h"
#include "tensorflow/core/framework/device_factory.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/public/session_options.h"
#include "xla/stream_executor/stream.h"

namespace tfengine::host_gpu {

namespace {

namespace tf = tensorflow;

class DeviceStream : public stream_executor::Stream {
 public:
  HostStream& work() { return work_; }
  PlatformSpecificHandle platform_specific_handle() const override {
    return {const_cast<DeviceStream*>(this)->work_.handle()};
  }
  bool ok() const override { return true; }
  absl::Status BlockHostUntilDone() override {
    work_.wait();
    return absl::OkStatus();
  }
  absl::Status DoHostCallbackWithStatus(absl::AnyInvocable<absl::Status() &&>) override { return unused(); }
  absl::StatusOr<Stream*> GetOrCreateSubStream() override { return unused(); }
  void ReturnSubStream(Stream*) override {}
  absl::Status WaitFor(Stream*) override { return unused(); }
  absl::Status WaitFor(stream_executor::Event*) override { return unused(); }
  absl::Status RecordEvent(stream_executor::Event*) override { return unused(); }
  absl::Status Memcpy(void*, const stream_executor::DeviceAddressBase&, uint64_t) override { return unused(); }
  absl::Status Memcpy(stream_executor::DeviceAddressBase*, const void*, uint64_t) override { return unused(); }
  stream_executor::StreamExecutor* parent() const override { return nullptr; }
  stream_executor::CudaComputeCapability GetCudaComputeCapability() const override { return {}; }
  stream_executor::RocmComputeCapability GetRocmComputeCapability() const override { return {}; }
  stream_executor::OneAPIComputeCapability GetOneAPIComputeCapability() const override { return {}; }
  std::variant<stream_executor::StreamPriority, int> priority() const override { return 0; }
  const std::string& GetName() const override { return name_; }
  void SetName(std::string name) override { name_ = std::move(name); }

 private:
  static absl::Status unused() { return absl::UnimplementedError("the host GPU's stream has none of this"); }

  HostStream work_;
  std::string name_;
};

// Reuses memory that the stream still works on, as TensorFlow's allocator does: it is in order with that stream alone.
class GpuMemory : public tf::Allocator {
 public:
  std::string Name() override { return "GPU_0_host"; }
  void* AllocateRaw(size_t, size_t bytes) override {
    constexpr size_t kAlignment = 256;
    const size_t whole = std::max<size_t>(bytes, 1);
    const std::lock_guard lock(mutex_);
    void* pointer = in_use_ + whole > limit_ ? nullptr : memory().allocate(whole, kAlignment, Purpose::Activations);
    if (pointer == nullptr) return nullptr;
    sizes_[pointer] = whole;
    in_use_ += whole;
    return pointer;
  }
  void DeallocateRaw(void* pointer) override {
    const std::lock_guard lock(mutex_);
    const auto at = sizes_.find(pointer);
    memory().deallocate(pointer, at->second, Purpose::Activations);
    in_use_ -= at->second;
    sizes_.erase(at);
  }
  std::optional<tsl::AllocatorStats> GetStats() override {
    const std::lock_guard lock(mutex_);
    tsl::AllocatorStats stats;
    stats.bytes_in_use = static_cast<int64_t>(in_use_);
    stats.bytes_limit = static_cast<int64_t>(limit_);
    return stats;
  }
  void set_fraction(double fraction) {
    constexpr double kBytes = 128 << 20;
    if (fraction > 0.0) limit_ = static_cast<size_t>(fraction * kBytes);
  }

 private:
  std::mutex mutex_;
  std::map<void*, size_t> sizes_;
  size_t in_use_ = 0;
  size_t limit_ = 128 << 20;
};

class GpuContext : public tf::DeviceContext {
 public:
  explicit GpuContext(DeviceStream& stream) : stream_(stream) {}
  stream_executor::Stream* stream() const override { return &stream_; }
  void CopyCPUTensorToDevice(const tf::Tensor* from, tf::Device*, tf::Tensor* to, tf::StatusCallback done,
                             bool) const override {
    stream_.work().wait();
    if (to->TotalBytes() > 0) std::memcpy(at(to->data()), from->data(), to->TotalBytes());
    done(absl::OkStatus());
  }
  void CopyDeviceTensorToCPU(const tf::Tensor* from, absl::string_view, tf::Device*, tf::Tensor* to,
                             tf::StatusCallback done) override {
    stream_.work().wait();
    if (to->TotalBytes() > 0) std::memcpy(to->data(), at(from->data()), to->TotalBytes());
    done(absl::OkStatus());
  }
  void CopyTensorInSameDevice(const tf::Tensor* from, tf::Device*, tf::Tensor* to,
                              tf::StatusCallback done) const override {
    stream_.work().wait();
    if (to->TotalBytes() > 0) std::memcpy(at(to->data()), at(from->data()), to->TotalBytes());
    done(absl::OkStatus());
  }

 private:
  DeviceStream& stream_;
};

constexpr int kCudaNumber = 1;  // TensorFlow's numbers are not CUDA's

class GpuDevice : public tf::LocalDevice {
 public:
  GpuDevice(const tf::SessionOptions& options, const tf::DeviceAttributes& attributes)
      : LocalDevice(options, attributes), memory_(*new GpuMemory), stream_(*new DeviceStream) {
    memory_.set_fraction(options.config.gpu_options().per_process_gpu_memory_fraction());
    context_ = new GpuContext(stream_);
    info_.stream = &stream_;
    info_.default_context = context_;
    info_.gpu_id = kCudaNumber;
    set_tensorflow_accelerator_device_info(&info_);
  }
  ~GpuDevice() override {
    stream_.work().wait();
    context_->Unref();
  }
  tf::Allocator* GetAllocator(tf::AllocatorAttributes attributes) override {
    return attributes.on_host() ? tf::cpu_allocator() : static_cast<tf::Allocator*>(&memory_);
  }
  absl::Status Sync() override { return stream_.BlockHostUntilDone(); }
  absl::Status TryGetDeviceContext(tf::DeviceContext** context) override {
    context_->Ref();
    *context = context_;
    return absl::OkStatus();
  }
  absl::Status MakeTensorFromProto(const tf::TensorProto& proto, const tf::AllocatorAttributes attributes,
                                   tf::Tensor* tensor) override {
    tf::Tensor here;
    if (!here.FromProto(proto)) return absl::InvalidArgumentError("a tensor cannot be read");
    *tensor = here;
    if (attributes.on_host()) return absl::OkStatus();
    *tensor = tf::Tensor(&memory_, here.dtype(), here.shape());
    return context_->CopyCPUTensorToDeviceSync(&here, this, tensor);
  }

 private:
  GpuMemory& memory_;     // outlives the device, as TensorFlow's do
  DeviceStream& stream_;  // the same
  GpuContext* context_;
  AcceleratorDeviceInfo info_;
};

class GpuFactory : public tf::DeviceFactory {
 public:
  absl::Status ListPhysicalDevices(std::vector<std::string>* devices) override {
    devices->push_back("/physical_device:GPU:0");
    return absl::OkStatus();
  }
  absl::Status CreateDevices(const tf::SessionOptions& options, const std::string& prefix,
                             std::vector<std::unique_ptr<tf::Device>>* devices) override {
    TF_RETURN_IF_ERROR(
        tf::GpuIdManager::InsertTfPlatformDeviceIdPair(tsl::TfDeviceId(0), tsl::PlatformDeviceId(kCudaNumber)));
    devices->push_back(std::make_unique<GpuDevice>(
        options,
        tf::Device::BuildDeviceAttributes(prefix + "/device:GPU:0", tf::DEVICE_GPU, tf::Bytes(128 << 20), {})));
    return absl::OkStatus();
  }
};

[[maybe_unused]] const bool registered = [] {
  constexpr int kPriority = 210;  // that of TensorFlow's GPUs
  tf::DeviceFactory::Register("GPU", std::make_unique<GpuFactory>(), kPriority, false);
  return true;
}();

// What a native segment takes: TensorFlow without GPUs has no such kernels.
template <typename T, typename F>
class Elementwise : public tf::OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(tf::OpKernelContext* context) override {
    const tf::Tensor& input = context->input(0);
    tf::Tensor* output = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, input.shape(), &output));
    auto* stream = static_cast<DeviceStream*>(context->op_device_context()->stream());
    stream->work().put([from = input.data(), to = output->data(), count = input.NumElements()] {
      for (int64_t i = 0; i < count; ++i) static_cast<T*>(at(to))[i] = F()(static_cast<const T*>(at(from))[i]);
    });
  }
};
struct Positive {
  float operator()(float x) const { return std::max(x, 0.0f); }
};

REGISTER_KERNEL_BUILDER(Name("Relu").Device(tf::DEVICE_GPU).TypeConstraint<float>("T"), Elementwise<float, Positive>);
REGISTER_KERNEL_BUILDER(Name("Neg").Device(tf::DEVICE_GPU).TypeConstraint<int32_t>("T"),
                        Elementwise<int32_t, std::negate<int32_t>>);

}  // namespace

}  // namespace tfengine::host_gpu
