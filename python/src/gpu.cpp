// SPDX-License-Identifier: Apache-2.0
// GPUs: which there are, the limit on their memory, and tensors that stay there.
#include "tfengine/gpu.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "engine.h"
#include "memory.h"
#include "module.h"
#include "tensors.h"
#include "tfengine/error.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace tfengine::python {

namespace {

Stream stream_at(uintptr_t handle) { return reinterpret_cast<Stream>(handle); }

// A tensor in a GPU's memory. It may be in the making: what reads it comes behind `stream`.
class DeviceArray {
 public:
  DeviceArray(int gpu, DType dtype, Shape shape, uintptr_t stream)
      : gpu_(gpu), dtype_(dtype), shape_(std::move(shape)), stream_(stream) {
    bytes_ = static_cast<size_t>(shape_.elements()) * dtype_bytes(dtype_);
    if (bytes_ == 0) return;
    Allocator& memory = gpu_allocator(gpu_);
    constexpr size_t kAlignment = 256;
    data_ = memory.allocate(bytes_, kAlignment, Purpose::Activations);
    if (data_ == nullptr) {
      throw OutOfMemory("out of memory: " + std::to_string(bytes_) + " bytes of cuda:" + std::to_string(gpu_) +
                            " for an output; " + std::to_string(memory.bytes_in_use()) + " bytes in use, limit " +
                            std::to_string(memory.limit_bytes()) + " bytes",
                        bytes_, memory.limit_bytes());
    }
  }
  ~DeviceArray() {
    if (data_ == nullptr) return;
    try {
      gpu_wait(gpu_, stream_at(stream_));
      gpu_allocator(gpu_).deallocate(data_, bytes_, Purpose::Activations);
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): a destructor has nobody to tell
      // The GPU is lost, and its memory with it.
    }
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  int gpu() const { return gpu_; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  uintptr_t stream() const { return stream_; }
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  int gpu_;
  DType dtype_;
  Shape shape_;
  uintptr_t stream_;
  size_t bytes_ = 0;
  void* data_ = nullptr;
};

nb::tuple shape_of(const DeviceArray& array) {
  nb::list dims;
  for (const int64_t dim : array.shape()) dims.append(dim);
  return nb::tuple(dims);
}

nb::object to_host(const DeviceArray& array) {
  NamedTensor named{"output", Tensor(array.dtype(), array.shape())};
  {
    const nb::gil_scoped_release unlocked;
    gpu_download(array.gpu(), named.tensor.mutable_data(), array.data(), array.bytes(), stream_at(array.stream()));
  }
  return array_from(std::move(named));
}

// Of any consumer's stream: what makes the array is waited for.
nb::object to_dlpack(nb::handle self) {
  const auto& array = nb::cast<const DeviceArray&>(self);
  {
    const nb::gil_scoped_release unlocked;
    gpu_wait(array.gpu(), stream_at(array.stream()));
  }
  const std::vector<size_t> dims(array.shape().begin(), array.shape().end());
  const nb::ndarray<> view(array.data(), dims.size(), dims.data(), self, nullptr, dlpack_dtype("output", array.dtype()),
                           nb::device::cuda::value, array.gpu());
  // A capsule, or with other versions of nanobind an object that gives one.
  const nb::object made = nb::cast(view);
  return nb::hasattr(made, "__dlpack__") ? nb::object(made.attr("__dlpack__")()) : made;
}

// `inputs`: (address, dimensions) of dense tensors in the order of the engine's.
nb::dict run_on_device(const EngineHandle& handle,
                       const std::vector<std::pair<uintptr_t, std::vector<int64_t>>>& inputs, uintptr_t stream) {
  const std::string device = handle.engine.device();
  const int gpu = gpu_of_device(device);
  if (gpu < 0) {
    throw InvalidArgument("run: got arrays on a GPU for an engine on the " + device + "; load it with device=\"cuda\"");
  }
  std::vector<NamedTensor> views;
  const std::vector<TensorSpec> inputs_of_engine = handle.engine.inputs();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto& [address, dims] = inputs[i];
    const DType dtype = i < inputs_of_engine.size() ? inputs_of_engine[i].dtype : DType::Invalid;
    views.push_back({"", Tensor(dtype, Shape(dims), reinterpret_cast<const void*>(address), nullptr)});
  }
  const std::vector<TensorSpec> specs = handle.engine.outputs();
  std::vector<std::unique_ptr<DeviceArray>> outputs;
  {
    const nb::gil_scoped_release unlocked;
    const auto allocate = [&](const std::vector<Shape>& shapes) {
      std::vector<void*> targets;
      for (size_t i = 0; i < shapes.size(); ++i) {
        outputs.push_back(std::make_unique<DeviceArray>(gpu, specs[i].dtype, shapes[i], stream));
        targets.push_back(outputs.back()->data());
      }
      return targets;
    };
    handle.engine.run_on_device(views, allocate, stream_at(stream));
  }
  nb::dict result;
  for (size_t i = 0; i < outputs.size(); ++i) {
    result[nb::str(specs[i].name.c_str())] = nb::cast(outputs[i].release(), nb::rv_policy::take_ownership);
  }
  return result;
}

// (dtype name, address, dimensions, GPU) of anything with __dlpack__ on a GPU.
nb::tuple dlpack_view(const nb::ndarray<nb::ro, nb::c_contig, nb::device::cuda>& array) {
  nb::list dims;
  for (size_t i = 0; i < array.ndim(); ++i) dims.append(array.shape(i));
  return nb::make_tuple(std::string(dtype_name(dtype_of("array", array.dtype()))),
                        reinterpret_cast<uintptr_t>(array.data()), nb::tuple(dims), array.device_id());
}

nb::list gpu_list() {
  nb::list list;
  for (const GpuInfo& gpu : gpus()) {
    nb::dict row;
    row["index"] = gpu.index;
    row["name"] = gpu.name;
    row["compute_capability"] = gpu.compute_capability;
    row["total_memory_bytes"] = gpu.total_memory_bytes;
    list.append(row);
  }
  return list;
}

void set_memory(int index, double fraction, std::optional<uint64_t> limit_bytes, bool allow_growth) {
  GpuMemoryOptions options;
  options.per_process_gpu_memory_fraction = fraction;
  options.limit_bytes = limit_bytes.value_or(UINT64_MAX);
  options.allow_growth = allow_growth;
  set_gpu_memory(index, options);
}

nb::dict memory_dict(int index) {
  nb::dict dict = stats_dict(gpu_memory_stats(index));
  const uint64_t limit = gpu_memory_limit_bytes(index);
  dict["limit_bytes"] = limit == UINT64_MAX ? nb::object(nb::none()) : nb::cast(limit);
  return dict;
}

}  // namespace

void bind_gpu(nb::module_& m) {
  nb::class_<DeviceArray>(m, "DeviceArray", "A tensor in a GPU's memory.")
      .def_prop_ro("shape", &shape_of)
      .def_prop_ro("dtype_name", [](const DeviceArray& self) { return std::string(dtype_name(self.dtype())); })
      .def_prop_ro("gpu", &DeviceArray::gpu)
      .def_prop_ro("stream", &DeviceArray::stream)
      .def_prop_ro("address", [](const DeviceArray& self) { return reinterpret_cast<uintptr_t>(self.data()); })
      .def("to_host", &to_host)
      .def("dlpack", &to_dlpack);
  m.def("run_on_device", &run_on_device, "engine"_a, "inputs"_a, "stream"_a);
  m.def("dlpack_view", &dlpack_view, "array"_a);
  m.def("gpu_absence", &gpu_absence);
  m.def("gpus", &gpu_list);
  m.def("set_gpu_memory", &set_memory, "index"_a, "fraction"_a, "limit_bytes"_a.none(), "allow_growth"_a,
        nb::call_guard<nb::gil_scoped_release>());
  m.def("gpu_memory", &memory_dict, "index"_a);
}

}  // namespace tfengine::python
