// SPDX-License-Identifier: Apache-2.0
// The operations on what TRTEngineOps of one name share: load and save engines, take the calibration table, look inside.
#include "plugin/resource_ops.h"

#include "plugin/conversions.h"
#include "plugin/left_calibrations.h"
#include "plugin/op_resource.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/util/env_var.h"
#include "tfengine/error.h"

namespace tfengine::plugin {

namespace tf = tensorflow;

namespace {

// A scalar string input; StatusError otherwise.
std::string text_input(tf::OpKernelContext* context, int index, const char* name) {
  const tf::Tensor& tensor = context->input(index);
  if (tensor.dims() != 0) {
    throw StatusError(absl::InvalidArgumentError(
        absl::StrCat("input '", name, "': got shape ", tensor.shape().DebugString(), ", expected a scalar")));
  }
  std::string text = tensor.scalar<tf::tstring>()();
  if (text.empty()) throw StatusError(absl::InvalidArgumentError(absl::StrCat("input '", name, "' is empty")));
  return text;
}

void set_text(tf::OpKernelContext* context, const std::string& text) {
  tf::Tensor* output = nullptr;
  throw_if_error(context->allocate_output(0, {}, &output));
  output->scalar<tf::tstring>()() = text;
}

// TF-TRT's way to look at engines with other tools: a copy of each that is saved.
void export_engine(tf::Env* env, const std::string& name, const Engine& engine) {
  std::string folder;
  throw_if_error(tf::ReadStringFromEnvVar("TF_TRT_EXPORT_TRT_ENGINES_PATH", "", &folder));
  if (folder.empty()) return;
  throw_if_error(env->RecursivelyCreateDir(folder));
  write_engine_file(env, folder + "/" + name + ".tfe", &engine);
}

// A kernel whose work may throw.
class ThrowingKernel : public tf::OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(tf::OpKernelContext* context) final {
    const absl::Status status = guarded(type_string(), [&] {
      work(context);
      return absl::OkStatus();
    });
    OP_REQUIRES_OK(context, status);
  }
  virtual void work(tf::OpKernelContext* context) = 0;
};

class CreateTRTResourceHandle : public tf::OpKernel {
 public:
  explicit CreateTRTResourceHandle(tf::OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("resource_name", &resource_name_));
  }
  void Compute(tf::OpKernelContext* context) override {
    tf::Tensor handle(tf::DT_RESOURCE, tf::TensorShape({}));
    handle.scalar<tf::ResourceHandle>()() =
        tf::MakeResourceHandle<OpResource>(context, kContainer, canonical_name(resource_name_));
    context->set_output(0, handle);
  }

 private:
  std::string resource_name_;
};

class InitializeTRTResource : public ThrowingKernel {
 public:
  using ThrowingKernel::ThrowingKernel;
  void work(tf::OpKernelContext* context) override {
    const tf::ResourceHandle& handle = tf::HandleFromInput(context, 0);
    EngineBytes file = map_engine_file(context->env(), text_input(context, 1, "filename"));
    const auto resource = find_or_make_resource(context->resource_manager(), handle.name());
    // Read now, so that what is wrong with it is told now; its weights are packed at the first run.
    if (read_engine(file, {})) resource->add_file(std::move(file));
  }
};

class SerializeTRTResource : public ThrowingKernel {
 public:
  explicit SerializeTRTResource(tf::OpKernelConstruction* construction) : ThrowingKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("delete_resource", &delete_resource_));
    OP_REQUIRES_OK(construction, construction->GetAttr("save_gpu_specific_engines", &save_engines_));
  }
  void work(tf::OpKernelContext* context) override {
    const std::string name = canonical_name(text_input(context, 0, "resource_name"));
    const std::string file = text_input(context, 1, "filename");
    const auto resource = find_resource(context->resource_manager(), name);
    const auto op = resource->latest();
    if (op != nullptr && op->calibrating()) op->calibration_table();
    const std::optional<Engine> engine = op == nullptr ? std::nullopt : op->engine();
    write_engine_file(context->env(), file, engine && save_engines_ ? &*engine : nullptr);
    if (engine) export_engine(context->env(), name, *engine);
    if (delete_resource_) throw_if_error(context->resource_manager()->Delete<OpResource>(kContainer, name));
  }

 private:
  bool delete_resource_ = false;
  bool save_engines_ = true;
};

// The operation that ran last under the name; StatusError when none did.
std::shared_ptr<OpEngine> latest_engine(tf::OpKernelContext* context) {
  const std::string name = canonical_name(text_input(context, 0, "resource_name"));
  const auto op = find_resource(context->resource_manager(), name)->latest();
  if (op == nullptr) throw StatusError(absl::NotFoundError("TRTEngineOp '" + name + "' was loaded, but never run"));
  return op;
}

// What an operation of the name saw in a session that is no more; empty when this device has such an operation.
std::optional<LeftCalibration> calibration_of_closed_session(tf::OpKernelContext* context) {
  const std::string name = canonical_name(text_input(context, 0, "resource_name"));
  OpResource* resource = nullptr;
  if (context->resource_manager()->Lookup<OpResource>(kContainer, name, &resource).ok()) {
    resource->Unref();
    return std::nullopt;
  }
  return left_calibration(name);
}

class GetCalibrationData : public ThrowingKernel {
 public:
  using ThrowingKernel::ThrowingKernel;
  void work(tf::OpKernelContext* context) override {
    if (const auto left = calibration_of_closed_session(context)) {
      set_text(context, left->calibration.table(left->calibrator, static_cast<double>(left->percentile)));
      return;
    }
    const auto op = latest_engine(context);
    try {
      set_text(context, op->calibration_table());
    } catch (const InvalidArgument& error) {
      // TF-TRT's code for it, which its callers catch.
      throw StatusError(absl::UnknownError(error.what()));
    }
  }
};

class CalibrationHistograms : public ThrowingKernel {
 public:
  using ThrowingKernel::ThrowingKernel;
  void work(tf::OpKernelContext* context) override {
    if (const auto left = calibration_of_closed_session(context)) {
      set_text(context, left->calibration.serialize());
      return;
    }
    const auto op = latest_engine(context);
    const std::optional<Calibration> calibration = op->calibration();
    if (!calibration) {
      throw StatusError(absl::FailedPreconditionError("TRTEngineOp '" + op->config().name +
                                                      "' has no finished calibration: GetCalibrationDataOp ends it"));
    }
    set_text(context, calibration->serialize());
  }
};

class EngineStatus : public ThrowingKernel {
 public:
  using ThrowingKernel::ThrowingKernel;
  void work(tf::OpKernelContext* context) override { set_text(context, latest_engine(context)->status_json()); }
};

#define TFE_CPU_KERNEL(NAME, CLASS) REGISTER_KERNEL_BUILDER(Name(NAME).Device(tf::DEVICE_CPU), CLASS)
TFE_CPU_KERNEL("CreateTRTResourceHandle", CreateTRTResourceHandle);
TFE_CPU_KERNEL("InitializeTRTResource", InitializeTRTResource);
TFE_CPU_KERNEL("SerializeTRTResource", SerializeTRTResource);
TFE_CPU_KERNEL("GetCalibrationDataOp", GetCalibrationData);
TFE_CPU_KERNEL("TfengineCalibrationHistograms", CalibrationHistograms);
TFE_CPU_KERNEL("TfengineEngineStatus", EngineStatus);

}  // namespace

// The engines of a GPU's operations are among the GPU's resources, and so these look for them there. Strings and handles are
// the host's.
void register_gpu_resource_kernels() {
  REGISTER_KERNEL_BUILDER(Name("CreateTRTResourceHandle").Device(tf::DEVICE_GPU).HostMemory("resource_handle"),
                          CreateTRTResourceHandle);
  REGISTER_KERNEL_BUILDER(
      Name("InitializeTRTResource").Device(tf::DEVICE_GPU).HostMemory("resource_handle").HostMemory("filename"),
      InitializeTRTResource);
  REGISTER_KERNEL_BUILDER(
      Name("SerializeTRTResource").Device(tf::DEVICE_GPU).HostMemory("resource_name").HostMemory("filename"),
      SerializeTRTResource);
  REGISTER_KERNEL_BUILDER(
      Name("GetCalibrationDataOp").Device(tf::DEVICE_GPU).HostMemory("resource_name").HostMemory("serialized_resource"),
      GetCalibrationData);
  REGISTER_KERNEL_BUILDER(
      Name("TfengineCalibrationHistograms").Device(tf::DEVICE_GPU).HostMemory("resource_name").HostMemory("histograms"),
      CalibrationHistograms);
  REGISTER_KERNEL_BUILDER(
      Name("TfengineEngineStatus").Device(tf::DEVICE_GPU).HostMemory("resource_name").HostMemory("status"),
      EngineStatus);
}

}  // namespace tfengine::plugin
