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

ConvShape window_shape(const Shape& src, const ops::Window& window, int64_t out_c) {
  const auto as_int = [](int64_t x) { return static_cast<int>(x); };
  ConvShape shape;
  shape.batch = as_int(src[0]);
  shape.in_h = as_int(src[1]);
  shape.in_w = as_int(src[2]);
  shape.in_c = as_int(src[3]);
  shape.out_h = as_int(window.out_h);
  shape.out_w = as_int(window.out_w);
  shape.out_c = as_int(out_c);
  shape.kernel_h = as_int(window.kernel_h);
  shape.kernel_w = as_int(window.kernel_w);
  shape.stride_h = as_int(window.stride_h);
  shape.stride_w = as_int(window.stride_w);
  shape.dilation_h = as_int(window.dilation_h);
  shape.dilation_w = as_int(window.dilation_w);
  shape.pad_top = as_int(window.pad_top);
  shape.pad_left = as_int(window.pad_left);
  return shape;
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

}  // namespace tfengine::cuda
