// SPDX-License-Identifier: Apache-2.0
#include "plugin/trt_engine_op.h"

#include <algorithm>

#include "base/host_memory.h"
#include "compiler/graph_def/precision.h"
#include "plugin/conversions.h"
#include "plugin/notices.h"
#include "plugin/runners.h"
#include "tensorflow/core/framework/node_def_util.h"
#include "tensorflow/core/util/env_var.h"

// Says which TensorFlow is in the process; absent where only its framework library is.
extern "C" const char* TF_Version() __attribute__((weak));

namespace tfengine::plugin {

namespace tf = tensorflow;

namespace {

// Private classes of TensorFlow cross this border: they fit within one release only.
absl::Status check_version() {
  if (TF_Version == nullptr || std::string(TF_Version()) == TFE_TENSORFLOW_VERSION) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("tfengine's op library was built for TensorFlow " TFE_TENSORFLOW_VERSION ", this is TensorFlow ",
                   TF_Version(), ": build it against the TensorFlow that is installed"));
}

// Attributes that the op's definition does not have.
bool hidden_flag(const tf::NodeDef& node, const char* name, bool fallback) {
  bool value = fallback;
  return tf::TryGetNodeAttr(node, name, &value) ? value : fallback;
}

bool env_flag(const char* name, bool fallback) {
  bool value = fallback;
  return tf::ReadBoolFromEnvVar(name, fallback, &value).ok() ? value : fallback;
}

}  // namespace

TRTEngineOp::TRTEngineOp(tf::OpKernelConstruction* construction)
    : AsyncOpKernel(construction), label_("TRTEngineOp '" + name() + "'"), device_(construction->device()) {
  OP_REQUIRES_OK(construction, check_version());
  OP_REQUIRES_OK(construction, guarded(label_, [&] { return read_node(construction); }));
}

TRTEngineOp::~TRTEngineOp() {
  engine_.reset();
  resource_.reset();
  // Others may hold the engine of this node.
  if (node_bytes_.use_count() > 1) node_bytes_->leave_node(label_);
}

absl::Status TRTEngineOp::read_node(tf::OpKernelConstruction* construction) {
  tf::NameAttrList function;
  std::string mode;
  int64_t workspace_bytes = 0;
  bool use_calibration = true;
  TF_RETURN_IF_ERROR(construction->GetAttr("segment_func", &function));
  TF_RETURN_IF_ERROR(construction->GetAttr("InT", &signature_.inputs));
  TF_RETURN_IF_ERROR(construction->GetAttr("OutT", &signature_.outputs));
  TF_RETURN_IF_ERROR(construction->GetAttr("input_shapes", &signature_.input_shapes));
  TF_RETURN_IF_ERROR(construction->GetAttr("workspace_size_bytes", &workspace_bytes));
  TF_RETURN_IF_ERROR(construction->GetAttr("max_cached_engines_count", &config_.maximum_cached_engines));
  TF_RETURN_IF_ERROR(construction->GetAttr("precision_mode", &mode));
  TF_RETURN_IF_ERROR(construction->GetAttr("calibration_data", &config_.calibration_table));
  TF_RETURN_IF_ERROR(construction->GetAttr("use_calibration", &use_calibration));
  if (workspace_bytes < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(label_, ": workspace_size_bytes is ", workspace_bytes, ", expected at least 0"));
  }
  if (config_.maximum_cached_engines < 1) {
    return absl::InvalidArgumentError(absl::StrCat(label_, ": max_cached_engines_count is ",
                                                   config_.maximum_cached_engines, ", expected at least 1"));
  }
  config_.name = canonical_name(name());
  config_.notice = notice_once;
  const graphdef::EnginePrecision precision = graphdef::engine_precision(mode, device_.on_gpu());
  if (!precision.notice.empty()) notice_once("fp16", label_ + ": " + precision.notice);
  config_.precision = precision.name;
  config_.max_workspace_size_bytes = static_cast<uint64_t>(workspace_bytes);
  config_.calibrate = config_.precision == "int8" && use_calibration && config_.calibration_table.empty();
  allow_build_ = hidden_flag(def(), "_allow_build_at_runtime", true);
  config_.refuse_builds = env_flag("TF_TRT_ABORT_CUDA_ENGINE_BUILD", false);
  tf::TryGetNodeAttr(def(), "_tfengine_calibrator", &config_.calibrator);
  tf::TryGetNodeAttr(def(), "_tfengine_percentile", &config_.percentile);
  config_.strict_ranges = hidden_flag(def(), "_tfengine_strict_ranges", false);
  tf::TryGetNodeAttr(def(), "_tfengine_channel_means", &config_.channel_means);
  const auto* workers = construction->device()->tensorflow_cpu_worker_threads();
  config_.threads = workers == nullptr ? 1 : std::min(workers->num_threads, Runners::engines().cores());
  std::string profiles;
  tf::TryGetNodeAttr(def(), "_tfengine_profiles", &profiles);
  profiles_ = Profiles::parse(profiles);
  profiling_ = hidden_flag(def(), "_profile_generation_mode", false);
  native_allowed_ = env_flag("TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION", true);
  signature_.function = function.name();
  native_.emplace(std::move(function));
  return absl::OkStatus();
}

SegmentSignature TRTEngineOp::signature_for(tf::OpKernelContext* context) const {
  SegmentSignature signature = signature_;
  if (signature.input_shapes.size() == signature.inputs.size()) return signature;
  // Graphs of before the converter wrote shapes down: the rank is known by now.
  signature.input_shapes.clear();
  for (int i = 0; i < context->num_inputs(); ++i) {
    signature.input_shapes.emplace_back(std::vector<int64_t>(static_cast<size_t>(context->input(i).dims()), -1));
  }
  return signature;
}

void TRTEngineOp::bind(tf::OpKernelContext* context) {
  const std::lock_guard lock(mutex_);
  if (engine_ != nullptr) {
    // Saving deletes resources; who asks for this operation afterwards has to find it.
    auto resource = find_or_make_resource(context->resource_manager(), config_.name);
    if (resource != resource_) resource->attach(config_, engine_);
    resource_ = std::move(resource);
    return;
  }
  const OpPlace place = device_.place();
  std::function<SegmentGraph()> segment = [label = label_]() -> SegmentGraph {
    throw StatusError(absl::FailedPreconditionError(label + " has no native segment to build an engine of"));
  };
  if (!native_->empty()) {
    const auto* library = context->function_library()->GetFunctionLibraryDefinition();
    config_.tag = segment_fingerprint(*library, signature_.function);
    segment = segment_source(*library, signature_for(context));
  }
  auto resource = find_or_make_resource(context->resource_manager(), config_.name);
  auto engine = resource->engine_for(config_, segment, place);
  const std::string& serialized = def().attr().at("serialized_segment").s();
  if (!serialized.empty() && !engine->engine() && device_.why_not().empty()) {
    const HostMemoryScope memory(place.host);
    node_bytes_ = std::make_shared<NodeBytes>(serialized, place.host);
    auto read = read_engine(serialized, node_bytes_, engine->engine_options(), label_);
    // It came with the node, so that there is no doubt whose it is.
    if (read) engine->adopt(std::move(*read), true);
  }
  if (native_->empty() && !engine->engine() && device_.why_not().empty()) {
    throw StatusError(absl::FailedPreconditionError(
        label_ +
        ": it has neither a native segment (segment_func) nor an engine: neither in its attribute "
        "serialized_segment nor loaded from a file"));
  }
  resource_ = std::move(resource);
  engine_ = std::move(engine);
}

std::string TRTEngineOp::native_reason(tf::OpKernelContext* context) const {
  if (!device_.why_not().empty()) return device_.why_not();
  if (profiling_) return "shapes for profiles are being collected";
  const bool shapes_known = signature_.input_shapes.size() == static_cast<size_t>(context->num_inputs());
  for (int i = 0; i < context->num_inputs(); ++i) {
    if (context->input_dtype(i) == tf::DT_RESOURCE) return "an input is a resource";
    const tf::TensorShape& shape = context->input(i).shape();
    if (shape.num_elements() == 0) return "an input is empty";
    if (shapes_known && !fits(shape, signature_.input_shapes[static_cast<size_t>(i)])) {
      return absl::StrCat("input ", i, " has shape ", shape.DebugString(), ", the segment was converted for ",
                          signature_.input_shapes[static_cast<size_t>(i)].DebugString());
    }
  }
  if (profiles_.empty()) return {};
  std::vector<Shape> shapes;
  for (int i = 0; i < context->num_inputs(); ++i) shapes.push_back(shape_of(context->input(i).shape()));
  return profiles_.hold(shapes) ? std::string()
                                : "the shapes of its inputs lie outside of the profiles that it was built for";
}

void TRTEngineOp::ComputeAsync(tf::OpKernelContext* context, DoneCallback done) {
  const absl::Status bound = guarded(label_, [&] {
    bind(context);
    return absl::OkStatus();
  });
  OP_REQUIRES_OK_ASYNC(context, bound, done);
  const std::string reason = native_reason(context);
  if (!reason.empty()) {
    engine_->count_native(reason);
    run_native(context, reason, std::move(done));
    return;
  }
  const absl::Status given = guarded(label_, [&] {
    dispatch(context, done);
    return absl::OkStatus();
  });
  OP_REQUIRES_OK_ASYNC(context, given, done);
}

void TRTEngineOp::dispatch(tf::OpKernelContext* context, DoneCallback done) {
  resource_->touch(engine_);
  Call call;
  for (int i = 0; i < context->num_inputs(); ++i) call.inputs.push_back({"", view_of(context->input(i))});
  call.stream = KernelDevice::stream(context);
  // An engine takes all that its profiles hold; a plan for it is part of the engine, even if it is made late.
  call.allow_build = allow_build_ || !profiles_.empty();
  call.allocate = [context](const std::vector<Shape>& shapes) {
    std::vector<void*> addresses;
    for (size_t i = 0; i < shapes.size(); ++i) {
      tf::Tensor* output = nullptr;
      throw_if_error(context->allocate_output(static_cast<int>(i), shape_of(shapes[i]), &output));
      addresses.push_back(output->data());
    }
    return addresses;
  };
  call.done = [this, context, done = std::move(done)](const Outcome& outcome) { finish(context, outcome, done); };
  engine_->run(std::move(call));
}

void TRTEngineOp::finish(tf::OpKernelContext* context, const Outcome& outcome, DoneCallback done) {
  switch (outcome.kind) {
    case Outcome::Kind::Done:
      done();
      return;
    case Outcome::Kind::Failed:
      context->SetStatus(status_of(outcome.error, label_));
      done();
      return;
    case Outcome::Kind::Native:
      // Outputs that the engine had been given.
      for (int i = 0; i < context->num_outputs(); ++i) {
        if (context->mutable_output(i) != nullptr) delete context->release_output(i).tensor;
      }
      run_native(context, outcome.reason, std::move(done));
  }
}

void TRTEngineOp::run_native(tf::OpKernelContext* context, const std::string& reason, DoneCallback done) {
  if (!native_allowed_) {
    context->SetStatus(
        absl::AbortedError(absl::StrCat(label_, ": it would have to run natively (", reason,
                                        "), which TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION=false forbids")));
    done();
    return;
  }
  if (native_->empty()) {
    context->SetStatus(absl::FailedPreconditionError(
        absl::StrCat(label_, ": its engine cannot run (", reason, "), and it has no native segment")));
    done();
    return;
  }
  native_->run(context, std::move(done));
}

REGISTER_KERNEL_BUILDER(Name("TRTEngineOp").Device(tf::DEVICE_CPU), TRTEngineOp);

}  // namespace tfengine::plugin
