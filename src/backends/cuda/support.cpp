// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/support.h"

#include <cstring>

#include "backends/cuda/error.h"
#include "base/check.h"

namespace tfengine::cuda {

std::optional<Elem> elem_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return Elem::F32;
    case DType::F16:
      return Elem::F16;
    case DType::S8:
      return Elem::S8;
    case DType::S32:
      return Elem::S32;
    default:
      return std::nullopt;
  }
}

float scale_of(const TensorDesc& desc) { return desc.quant.defined() ? desc.quant.scales[0] : 1.0f; }
int64_t channels_of(const TensorDesc& desc) { return desc.shape.rank() == 0 ? 1 : desc.shape.back(); }
int64_t pixels_of(const TensorDesc& desc) {
  const int64_t channels = channels_of(desc);
  return channels == 0 ? 0 : desc.shape.elements() / channels;
}

cudaStream_t stream_of(const StepArgs& args) { return static_cast<cudaStream_t>(args.queue->stream()); }

std::optional<View> view_of(const TensorDesc& desc) {
  const auto elem = elem_of(desc.dtype);
  if (!elem || desc.quant.scales.size() > 1) return std::nullopt;
  // A quantized value that is stored as floats holds real numbers.
  return View{nullptr, *elem, *elem == Elem::S8 ? scale_of(desc) : 1.0f, desc.pixel_stride};
}

std::optional<Target> target_of(const TensorDesc& desc) {
  const auto elem = elem_of(desc.dtype);
  if (!elem || desc.quant.scales.size() > 1) return std::nullopt;
  return Target{nullptr, *elem, *elem == Elem::S8 ? 1.0f / scale_of(desc) : 1.0f, desc.pixel_stride};
}

std::optional<Operand> Operand::make(const StepSpec& spec, size_t input) {
  const auto view = view_of(spec.inputs[input]);
  if (!view) return std::nullopt;
  Operand operand;
  operand.input_ = input;
  operand.desc_ = spec.inputs[input];
  operand.view_ = *view;
  operand.constant_ = spec.constants[input];
  return operand;
}

void Operand::pack(PackedStore& store) {
  if (constant_.defined()) packed_ = pack_bytes(store, constant_);
}

View Operand::at(const StepArgs& args) const {
  View view = view_;
  view.data = packed_ != nullptr ? packed_.get() : args.src[input_];
  return view;
}

std::shared_ptr<const void> pack_bytes(PackedStore& store, const Tensor& tensor) {
  return store.get(tensor, "bytes", std::max<size_t>(tensor.bytes(), 1), [&](void* to) {
    if (tensor.bytes() > 0) std::memcpy(to, tensor.data(), tensor.bytes());
  });
}

std::shared_ptr<const float> pack_floats(PackedStore& store, const std::string& what,
                                         const std::vector<float>& values) {
  std::string form = what + ":";
  form.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  const auto block = store.get(Tensor(), form, values.size() * sizeof(float),
                               [&](void* to) { std::memcpy(to, values.data(), values.size() * sizeof(float)); });
  return {block, static_cast<const float*>(block.get())};
}

const Gpu& gpu_of(const StepSpec& spec) {
  check(spec.device != nullptr, "{} '{}': a step of a GPU without one", spec.node->op, spec.node->name);
  return static_cast<const Gpu&>(*spec.device);
}

Tactic gpu_tactic(std::string name, const StepSpec& spec, std::function<Run(PackedStore&)> prepare) {
  Tactic tactic;
  tactic.name = std::move(name);
  std::vector<int> constants;
  for (size_t i = 0; i < spec.constants.size(); ++i) {
    if (spec.constants[i].defined()) constants.push_back(static_cast<int>(i));
  }
  tactic.prepare = [gpu = gpu_of(spec).index(), constants, prepare = std::move(prepare)](PackedStore& store) {
    return plan::function_kernel(
        [gpu, run = prepare(store)](const StepArgs& args) {
          const UseGpu use(gpu);
          run(args);
        },
        constants);
  };
  return tactic;
}

Tactic gpu_tactic(std::string name, const StepSpec& spec, std::vector<Operand> operands,
                  std::function<void(const StepArgs&, const std::vector<Operand>&)> run) {
  return gpu_tactic(std::move(name), spec, [operands = std::move(operands), run = std::move(run)](PackedStore& store) {
    std::vector<Operand> packed = operands;
    for (Operand& operand : packed) operand.pack(store);
    return Run([packed = std::move(packed), run](const StepArgs& args) { run(args, packed); });
  });
}

std::optional<Act> only_activation(const StepSpec& spec) {
  const ir::Epilogue& fused = spec.node->epilogue;
  if (fused.bias != ir::kNone || fused.residual != ir::kNone) return std::nullopt;
  if (fused.before_add.kind == ActKind::None) return fused.after_add;
  if (fused.after_add.kind == ActKind::None) return fused.before_add;
  return std::nullopt;
}

std::optional<std::vector<int64_t>> constant_ints(const StepSpec& spec, size_t input) {
  if (input >= spec.constants.size() || !spec.constants[input].defined()) return std::nullopt;
  const Tensor& tensor = spec.constants[input];
  std::vector<int64_t> values;
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    if (tensor.dtype() == DType::S32) {
      values.push_back(tensor.as<int32_t>()[i]);
    } else if (tensor.dtype() == DType::S64) {
      values.push_back(tensor.as<int64_t>()[i]);
    } else {
      return std::nullopt;
    }
  }
  return values;
}

}  // namespace tfengine::cuda
