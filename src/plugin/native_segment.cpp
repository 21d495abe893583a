// SPDX-License-Identifier: Apache-2.0
#include "plugin/native_segment.h"

#include <memory>
#include <vector>

#include "plugin/kernel_device.h"

namespace tfengine::plugin {

namespace tf = tensorflow;

absl::Status NativeSegment::instantiate(tf::FunctionLibraryRuntime* library,
                                        tf::FunctionLibraryRuntime::Handle* handle) {
  const std::lock_guard lock(mutex_);
  if (!handle_) {
    // On this device alone: the segment's nodes were all on one, and old graphs name devices that are not here.
    tf::FunctionLibraryRuntime::Handle made = 0;
    const absl::Status status = library->Instantiate(function_.name(), tf::AttrSlice(&function_.attr()), &made);
    if (!status.ok()) return status;
    handle_ = made;
  }
  *handle = *handle_;
  return absl::OkStatus();
}

void NativeSegment::run(tf::OpKernelContext* context, std::function<void()> done) {
  tf::FunctionLibraryRuntime* library = context->function_library();
  tf::FunctionLibraryRuntime::Handle handle = 0;
  absl::Status status = library == nullptr
                            ? absl::InternalError("there is no function library to run a native segment with")
                            : instantiate(library, &handle);
  std::vector<tf::Tensor> inputs;
  for (int i = 0; i < context->num_inputs(); ++i) inputs.push_back(context->input(i));
  if (status.ok()) status = integers_to_host(context, inputs);
  if (!status.ok()) {
    context->SetStatus(status);
    done();
    return;
  }
  tf::FunctionLibraryRuntime::Options options(context->step_id());
  options.rendezvous = context->rendezvous();
  options.cancellation_manager = context->cancellation_manager();
  options.collective_executor = context->collective_executor();
  options.step_container = context->step_container();
  options.stats_collector = context->stats_collector();
  options.runner = context->runner();
  auto outputs = std::make_shared<std::vector<tf::Tensor>>();
  library->Run(options, handle, inputs, outputs.get(),
               [context, outputs, done = std::move(done)](const absl::Status& ran) {
                 const absl::Status status = ran.ok() ? integers_to_device(context, *outputs) : ran;
                 if (!status.ok()) {
                   context->SetStatus(status);
                 } else {
                   for (size_t i = 0; i < outputs->size(); ++i) context->set_output(static_cast<int>(i), (*outputs)[i]);
                 }
                 done();
               });
}

}  // namespace tfengine::plugin
