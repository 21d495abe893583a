// SPDX-License-Identifier: Apache-2.0
#include "plan/host_step.h"

#include <cstring>
#include <exception>

#include "base/buffer.h"
#include "base/check.h"
#include "ops/numeric.h"

namespace tfengine::plan {

namespace {

// Rows of a tensor as a queue's copies take them, and its type on both sides.
struct Rows {
  size_t row_bytes = 0;
  size_t pitch_bytes = 0;
  size_t rows = 0;
  DType stored = DType::Invalid, wanted = DType::Invalid;
  Shape shape;
  bool converted() const { return rows > 0 && stored != wanted; }
};

Rows rows_of(const TensorDesc& desc, DType wanted) {
  Rows rows;
  rows.stored = desc.dtype;
  rows.wanted = wanted;
  rows.shape = desc.shape;
  const size_t bytes = desc.bytes();
  if (desc.dense() || bytes == 0) {
    rows.row_bytes = rows.pitch_bytes = bytes;
    rows.rows = bytes == 0 ? 0 : 1;
    return rows;
  }
  rows.row_bytes = static_cast<size_t>(desc.shape.back()) * dtype_bytes(desc.dtype);
  rows.pitch_bytes = static_cast<size_t>(desc.pixel_stride) * dtype_bytes(desc.dtype);
  rows.rows = bytes / rows.row_bytes;
  return rows;
}

struct Border {
  std::string name;
  const Device* device = nullptr;
  std::vector<Rows> inputs, outputs;  // no rows for constants: they are on the host
  uint64_t scratch_bytes = 0, workspace_bytes = 0;
};

class BoundHostStep : public BoundKernel {
 public:
  BoundHostStep(std::shared_ptr<const Kernel> kernel, const Border& border, const StepArgs& args)
      : kernel_(std::move(kernel)), border_(border), device_args_(args), host_args_(args) {
    host_args_.queue = nullptr;
    host_args_.workspace = staging(border_.workspace_bytes);
    host_args_.scratch = staging(border_.scratch_bytes);
    staged_ = host_args_;
    for (size_t i = 0; i < border_.inputs.size(); ++i) {
      const Rows& rows = border_.inputs[i];
      if (rows.rows == 0) continue;
      staged_.src[i] = staging(rows.row_bytes * rows.rows);
      host_args_.src[i] = rows.converted() ? wanted(rows) : staged_.src[i];
    }
    for (size_t i = 0; i < border_.outputs.size(); ++i) {
      const Rows& rows = border_.outputs[i];
      staged_.dst[i] = staging(rows.row_bytes * rows.rows);
      host_args_.dst[i] = rows.converted() ? wanted(rows) : staged_.dst[i];
    }
    bound_ = kernel_->bind(host_args_);
  }

  void run() override {
    Queue& queue = *device_args_.queue;
    for (size_t i = 0; i < border_.inputs.size(); ++i) {
      const Rows& rows = border_.inputs[i];
      if (rows.rows == 0) continue;
      queue.download_rows(const_cast<void*>(staged_.src[i]), device_args_.src[i], rows.pitch_bytes, rows.row_bytes,
                          rows.rows);
    }
    queue.call([](void* self) { static_cast<BoundHostStep*>(self)->run_here(); }, this);
    for (size_t i = 0; i < border_.outputs.size(); ++i) {
      const Rows& rows = border_.outputs[i];
      if (rows.rows == 0) continue;
      queue.upload_rows(device_args_.dst[i], rows.pitch_bytes, staged_.dst[i], rows.row_bytes, rows.rows);
    }
  }

  void rebind(const StepArgs& args) override { device_args_ = args; }
  std::exception_ptr take_failure() override { return std::exchange(failure_, nullptr); }

 private:
  void* staging(size_t bytes) {
    buffers_.emplace_back(border_.device->staging(), bytes, Purpose::Activations,
                          "the tensors of '" + border_.name + "', which runs on the host");
    return buffers_.back().data();
  }
  void* wanted(const Rows& rows) {
    return staging(static_cast<size_t>(rows.shape.elements()) * dtype_bytes(rows.wanted));
  }
  static void convert(const Rows& rows, DType from, const void* source, DType to, void* target) {
    const Tensor converted = ops::cast_tensor(Tensor(from, rows.shape, source, nullptr), to);
    std::memcpy(target, converted.data(), converted.bytes());
  }
  // On a thread of the device's library, which no exception may leave.
  void run_here() noexcept {
    try {
      for (size_t i = 0; i < border_.inputs.size(); ++i) {
        const Rows& rows = border_.inputs[i];
        if (rows.converted())
          convert(rows, rows.stored, staged_.src[i], rows.wanted, const_cast<void*>(host_args_.src[i]));
      }
      bound_->run();
      for (size_t i = 0; i < border_.outputs.size(); ++i) {
        const Rows& rows = border_.outputs[i];
        if (rows.converted()) convert(rows, rows.wanted, host_args_.dst[i], rows.stored, staged_.dst[i]);
      }
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  std::shared_ptr<const Kernel> kernel_;
  const Border& border_;
  StepArgs device_args_;  // the device's addresses
  StepArgs staged_;       // the same tensors in staging memory
  StepArgs host_args_;    // as the host's step takes them
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

Tactic host_step(Tactic tactic, const StepSpec& spec, const StepSpec& host) {
  check(tactic.workspace_bytes == 0 && tactic.inplace_input == ir::kNone && spec.device != nullptr,
        "{} '{}': its tactic '{}' cannot run on the host for a device", spec.node->op, spec.node->name, tactic.name);
  Border border;
  border.name = spec.node->name;
  border.device = spec.device;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    border.inputs.push_back(spec.constants[i].defined() ? Rows{} : rows_of(spec.inputs[i], host.inputs[i].dtype));
  }
  for (size_t i = 0; i < spec.outputs.size(); ++i) {
    border.outputs.push_back(rows_of(spec.outputs[i], host.outputs[i].dtype));
  }
  Tactic wrapped;
  wrapped.name = "host:" + tactic.name;
  wrapped.prepare = [prepare = std::move(tactic.prepare), border = std::move(border)](PackedStore& packed) {
    return std::make_shared<HostStep>(prepare(packed), border);
  };
  return wrapped;
}

std::shared_ptr<const Kernel> host_regions(std::shared_ptr<const Kernel> kernel, const Plan& plan, const Step& step) {
  const ir::Node& node = plan.graph.node(step.node);
  Border border;
  border.name = node.name;
  border.device = plan.device;
  const auto rows = [&](ir::ValueId id) {
    return rows_of(plan.descs[static_cast<size_t>(id)], plan.graph.value(id).dtype);
  };
  for (const ir::ValueId id : node.inputs) {
    const bool on_host = plan.locations[static_cast<size_t>(id)].place == Place::Constant;
    border.inputs.push_back(on_host ? Rows{} : rows(id));
  }
  for (const ir::ValueId id : node.outputs) border.outputs.push_back(rows(id));
  border.scratch_bytes = step.regions.host_scratch_bytes;
  border.workspace_bytes = step.regions.host_workspace_bytes;
  return std::make_shared<HostStep>(std::move(kernel), std::move(border));
}

}  // namespace tfengine::plan
