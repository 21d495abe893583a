// SPDX-License-Identifier: Apache-2.0
// The kernel of TRTEngineOp: reads the node, hands each call to the OpEngine that operations of this name share, and runs the
// native segment where that says so. The CPU's and the GPU's are this one class: what differs is in kernel_device.h.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "plugin/kernel_device.h"
#include "plugin/native_segment.h"
#include "plugin/op_resource.h"
#include "plugin/profiles.h"
#include "plugin/segment_graph.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tfengine::plugin {

class TRTEngineOp : public tensorflow::AsyncOpKernel {
 public:
  explicit TRTEngineOp(tensorflow::OpKernelConstruction* construction);
  ~TRTEngineOp() override;
  void ComputeAsync(tensorflow::OpKernelContext* context, DoneCallback done) override;

 private:
  absl::Status read_node(tensorflow::OpKernelConstruction* construction);
  // Why this call cannot be the engine's, whatever its state; empty if it can.
  std::string native_reason(tensorflow::OpKernelContext* context) const;
  SegmentSignature signature_for(tensorflow::OpKernelContext* context) const;
  void bind(tensorflow::OpKernelContext* context);
  void dispatch(tensorflow::OpKernelContext* context, DoneCallback done);
  void finish(tensorflow::OpKernelContext* context, const Outcome& outcome, DoneCallback done);
  void run_native(tensorflow::OpKernelContext* context, const std::string& reason, DoneCallback done);

  std::string label_;  // "TRTEngineOp 'name'", for messages
  KernelDevice device_;
  OpConfig config_;
  SegmentSignature signature_;
  std::optional<NativeSegment> native_;
  Profiles profiles_;
  bool allow_build_ = true;
  bool profiling_ = false;
  bool native_allowed_ = true;

  std::mutex mutex_;  // guards the binding to the shared engine, made at the first call
  std::shared_ptr<OpResource> resource_;
  std::shared_ptr<OpEngine> engine_;
  std::shared_ptr<NodeBytes> node_bytes_;  // the engine that the node itself holds
};

}  // namespace tfengine::plugin
