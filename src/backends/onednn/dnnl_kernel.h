// SPDX-License-Identifier: Apache-2.0
// oneDNN primitives as plan kernels: descriptors from TensorDesc, post-ops from the epilogue, weights reordered once into
// the engine's store, arguments bound once per context.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include "backends/onednn/cpu_features.h"
#include "backends/onednn/support.h"

namespace tfengine::onednn {

const dnnl::engine& cpu_engine();
dnnl::memory::data_type dnnl_type(DType dtype);

// Activations of rank 4 as oneDNN's logical NCHW over NHWC memory; rank 2 as [rows, columns].
dnnl::memory::desc image_desc(const TensorDesc& desc);
dnnl::memory::desc matrix_desc(const TensorDesc& desc, int64_t rows, int64_t cols);

// One argument of a primitive: a step input or output, a block of the store, or the workspace.
struct DnnlArg {
  enum class From : uint8_t { Src, Dst, Block, Workspace };
  int id = 0;
  From from = From::Src;
  int index = 0;
  dnnl::memory::desc desc;
  std::shared_ptr<const void> block;
};

// While it lives, oneDNN makes and runs this thread's primitives for a team of one. A primitive keeps to the team that it was
// made for.
class Alone {
 public:
  explicit Alone(bool alone);
  ~Alone();
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

 private:
  int team_ = 0;  // before; 0: left as it is
};
// Whether a product of so many multiplications is done before a team has woken up.
bool better_alone(double multiplications);

// `alone`: it was made so, and runs so.
std::shared_ptr<const plan::Kernel> dnnl_kernel(dnnl::primitive primitive, std::vector<DnnlArg> args,
                                                bool alone = false);

// What the epilogue becomes in a primitive's attributes. `sum` means the tactic works in place on the residual.
struct DnnlFusion {
  dnnl::primitive_attr attr;
  bool sum = false;
  std::optional<Refusal> refusal;
};
// Post-ops and scales for a convolution or matmul; scales are given for INT8 sources.
DnnlFusion fuse(const StepSpec& spec, bool int8, int weights_scale_mask);

// The weights in the form `wanted`, reordered from `given` once per engine.
std::shared_ptr<const void> packed_weights(PackedStore& store, const Tensor& weights, const dnnl::memory::desc& given,
                                           const dnnl::memory::desc& wanted);
// A descriptor of its own: next_impl() changes the one behind all copies of a handle, and this constructor clones it.
template <typename Desc>
Desc detached(const Desc& desc) {
  return Desc(desc.get());
}

// A float vector in the store, for scales; equal ones are one.
std::shared_ptr<const void> packed_floats(PackedStore& store, const std::vector<float>& values);

}  // namespace tfengine::onednn
