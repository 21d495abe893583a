// SPDX-License-Identifier: Apache-2.0
// Runs a segment as TensorFlow itself would: the function that the converter left in the graph.
#pragma once

#include <functional>
#include <mutex>
#include <optional>

#include "tensorflow/core/framework/attr_value.pb.h"
#include "tensorflow/core/framework/function.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfengine::plugin {

class NativeSegment {
 public:
  explicit NativeSegment(tensorflow::NameAttrList function) : function_(std::move(function)) {}

  const std::string& name() const { return function_.name(); }
  bool empty() const { return function_.name().empty(); }
  // Sets the context's outputs or status, then calls `done`.
  void run(tensorflow::OpKernelContext* context, std::function<void()> done);

 private:
  absl::Status instantiate(tensorflow::FunctionLibraryRuntime* library,
                           tensorflow::FunctionLibraryRuntime::Handle* handle);

  tensorflow::NameAttrList function_;
  std::mutex mutex_;
  std::optional<tensorflow::FunctionLibraryRuntime::Handle> handle_;
};

}  // namespace tfengine::plugin
