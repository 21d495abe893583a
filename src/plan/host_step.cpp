// SPDX-License-Identifier: Apache-2.0
#include "plan/host_step.h"

#include <exception>

#include "base/buffer.h"
#include "base/check.h"

namespace tfengine::plan {

namespace {

// Rows of a tensor as a queue's copies take them.
struct Rows {
  size_t row_bytes = 0;
  size_t pitch_bytes = 0;
  size_t rows = 0;
};

Rows rows_of(const TensorDesc& desc) {
  const size_t bytes = desc.bytes();
  if (desc.dense() || bytes == 0) return {bytes, bytes, bytes == 0 ? size_t{0} : size_t{1}};
  const size_t row_bytes = static_cast<size_t>(desc.shape.back()) * dtype_bytes(desc.dtype);
  return {row_bytes, static_cast<size_t>(desc.pixel_stride) * dtype_bytes(desc.dtype), bytes / row_bytes};
}

struct Border {
  std::string name;
  std::vector<Rows> inputs, outputs;  // no rows for constants: they are on the host
  const Device* device;
};

class BoundHostStep : public BoundKernel {
 public:
  BoundHostStep(std::shared_ptr<const Kernel> kernel, const Border& border, const StepArgs& args)
      : kernel_(std::move(kernel)), border_(border), device_args_(args), host_args_(args) {
    host_args_.queue = nullptr;
    host_args_.workspace = nullptr;
    const auto staging = [&](const Rows& rows) -> void* {
      buffers_.emplace_back(border_.device->staging(), rows.row_bytes * rows.rows, Purpose::Activations,
                            "the tensors of '" + border_.name + "', which runs on the host");
      return buffers_.back().data();
    };
    for (size_t i = 0; i < border_.inputs.size(); ++i) {
      if (border_.inputs[i].rows > 0) host_args_.src[i] = staging(border_.inputs[i]);
    }
    for (size_t i = 0; i < border_.outputs.size(); ++i) host_args_.dst[i] = staging(border_.outputs[i]);
    bound_ = kernel_->bind(host_args_);
  }

  void run() override {
    Queue& queue = *device_args_.queue;
    for (size_t i = 0; i < border_.inputs.size(); ++i) {
      const Rows& rows = border_.inputs[i];
      if (rows.rows == 0) continue;
      queue.download_rows(const_cast<void*>(host_args_.src[i]), device_args_.src[i], rows.pitch_bytes, rows.row_bytes,
                          rows.rows);
    }
    queue.call([](void* self) { static_cast<BoundHostStep*>(self)->run_here(); }, this);
    for (size_t i = 0; i < border_.outputs.size(); ++i) {
      const Rows& rows = border_.outputs[i];
      if (rows.rows == 0) continue;
      queue.upload_rows(device_args_.dst[i], rows.pitch_bytes, host_args_.dst[i], rows.row_bytes, rows.rows);
    }
  }

  void rebind(const StepArgs& args) override { device_args_ = args; }
  std::exception_ptr take_failure() override { return std::exchange(failure_, nullptr); }

 private:
  // On a thread of the device's library, which no exception may leave.
  void run_here() noexcept {
    try {
      bound_->run();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  std::shared_ptr<const Kernel> kernel_;
  const Border& border_;
  StepArgs device_args_, host_args_;
  std::vector<Buffer> buffers_;
  std::unique_ptr<BoundKernel> bound_;
  std::exception_ptr failure_;
};

class HostStep : public Kernel {
 public:
  HostStep(std::shared_ptr<const Kernel> kernel, Border border)
      : kernel_(std::move(kernel)), border_(std::move(border)) {}
  std::unique_ptr<BoundKernel> bind(const StepArgs& args) const override {
    return std::make_unique<BoundHostStep>(kernel_, border_, args);
  }
  bool reads(int input) const override { return kernel_->reads(input); }

 private:
  std::shared_ptr<const Kernel> kernel_;
  Border border_;
};

}  // namespace

Tactic host_step(Tactic tactic, const StepSpec& spec) {
  check(tactic.workspace_bytes == 0 && tactic.inplace_input == ir::kNone && spec.device != nullptr,
        "{} '{}': its tactic '{}' cannot run on the host for a device", spec.node->op, spec.node->name, tactic.name);
  Border border{spec.node->name, {}, {}, spec.device};
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    border.inputs.push_back(spec.constants[i].defined() ? Rows{} : rows_of(spec.inputs[i]));
  }
  for (const TensorDesc& desc : spec.outputs) border.outputs.push_back(rows_of(desc));
  Tactic wrapped;
  wrapped.name = "host:" + tactic.name;
  wrapped.prepare = [prepare = std::move(tactic.prepare), border = std::move(border)](PackedStore& packed) {
    return std::make_shared<HostStep>(prepare(packed), border);
  };
  return wrapped;
}

}  // namespace tfengine::plan
