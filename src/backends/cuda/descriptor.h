// SPDX-License-Identifier: Apache-2.0
// One of cuDNN's backend descriptors, with its attributes by type.
#pragma once

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "backends/cuda/cudnn_api.h"

namespace tfengine::cuda {

class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    check_cudnn(cudnn().create_descriptor(type, &handle_), "making a descriptor");
  }
  ~Descriptor() {
    if (handle_ != nullptr) (void)cudnn().destroy_descriptor(handle_);
  }
  Descriptor(Descriptor&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  cudnnBackendDescriptor_t get() const { return handle_; }

  Descriptor& set_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                      const void* values) {
    check_cudnn(cudnn().set_attribute(handle_, name, type, count, values), "setting an attribute");
    return *this;
  }
  Descriptor& set(cudnnBackendAttributeName_t name, int64_t value) {
    return set_raw(name, CUDNN_TYPE_INT64, 1, &value);
  }
  Descriptor& set(cudnnBackendAttributeName_t name, float value) { return set_raw(name, CUDNN_TYPE_FLOAT, 1, &value); }
  Descriptor& set(cudnnBackendAttributeName_t name, bool value) { return set_raw(name, CUDNN_TYPE_BOOLEAN, 1, &value); }
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnDataType_t value) {
    return set_raw(name, CUDNN_TYPE_DATA_TYPE, 1, &value);
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    const cudnnBackendDescriptor_t handle = value.get();
    return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &handle);
  }
  template <size_t N>
  Descriptor& set(cudnnBackendAttributeName_t name, const std::array<int64_t, N>& values) {
    return set_raw(name, CUDNN_TYPE_INT64, static_cast<int64_t>(N), values.data());
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const std::vector<Descriptor>& values) {
    std::vector<cudnnBackendDescriptor_t> handles;
    for (const Descriptor& value : values) handles.push_back(value.get());
    return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(handles.size()), handles.data());
  }
  Descriptor& finalize() {
    check_cudnn(cudnn().finalize(handle_), "completing a descriptor");
    return *this;
  }
  // False: cuDNN does not take it.
  bool try_finalize() { return cudnn().finalize(handle_) == CUDNN_STATUS_SUCCESS; }

  int64_t get_int(cudnnBackendAttributeName_t name) const {
    int64_t value = 0, count = 0;
    check_cudnn(cudnn().get_attribute(handle_, name, CUDNN_TYPE_INT64, 1, &count, &value), "reading an attribute");
    return value;
  }
  // Up to `most` descriptors of the type.
  std::vector<Descriptor> get_list(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                   int64_t most) const {
    std::vector<Descriptor> list;
    std::vector<cudnnBackendDescriptor_t> handles;
    for (int64_t i = 0; i < most; ++i) {
      list.emplace_back(type);
      handles.push_back(list.back().get());
    }
    int64_t count = 0;
    const cudnnStatus_t status =
        cudnn().get_attribute(handle_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, &count, handles.data());
    if (status != CUDNN_STATUS_SUCCESS) count = 0;
    while (static_cast<int64_t>(list.size()) > std::min(count, most)) list.pop_back();
    return list;
  }

 private:
  cudnnBackendDescriptor_t handle_ = nullptr;
};

}  // namespace tfengine::cuda
