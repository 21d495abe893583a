// SPDX-License-Identifier: Apache-2.0
// Convolutions with what is fused behind them as graphs of cuDNN: which configurations of which engines take one, and the
// plan that a configuration is compiled to. A plan goes to other processes, and into engine files, as bytes.
//
//   r = conv(x, w) [* scale per channel] [+ bias per channel]; r = before(r) [+ residual * scale]; r = after(r) [* post]
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/cuda/cudnn_api.h"
#include "base/activation.h"

namespace tfengine::cuda {

// Plain data: sent between processes as bytes, and compared so. Sizes in elements; NHWC with dense rows, weights KRSC.
struct ConvProblem {
  int64_t n = 1, h = 1, w = 1, c = 1;
  int64_t k = 1, out_h = 1, out_w = 1;
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  int64_t groups = 1;
  int32_t src = CUDNN_DATA_INT8;  // cudnnDataType_t; weights have the same type
  int32_t dst = CUDNN_DATA_INT8;
  int32_t residual = -1;  // -1: none
  int32_t scaled = 0, biased = 0, posted = 0;
  int32_t before = 0, after = 0;  // ActKind
  float before_alpha = 0.0f, before_beta = 0.0f, after_alpha = 0.0f, after_beta = 0.0f;
};

// Whether act can be part of such a graph.
bool cudnn_takes(const Act& act);

// An engine with its knobs.
struct ConvConfig {
  int64_t engine = -1;
  std::vector<std::pair<int64_t, int64_t>> knobs;  // type, value
  // "cudnn:4:24=55".
  std::string name() const;
  bool operator==(const ConvConfig&) const = default;
};
// The inverse of name(); engine -1 when the text is none.
ConvConfig parse_config(const std::string& name);

// Where a plan finds its tensors on the device.
struct ConvArgs {
  const void* x = nullptr;
  const void* w = nullptr;
  void* y = nullptr;
  const float* scale = nullptr;
  const float* bias = nullptr;
  const void* residual = nullptr;
  const float* residual_scale = nullptr;
  const float* post = nullptr;
  void* workspace = nullptr;
};

class Descriptor;

// A compiled plan.
class ConvPlan {
 public:
  // Compiles (a second of CPU time, about). BackendFailure when the configuration does not take the problem.
  ConvPlan(CudnnHandle& handle, const ConvProblem& problem, const ConvConfig& config);
  // From serialize()'s bytes: some milliseconds. BackendFailure when they are of another version or GPU.
  ConvPlan(CudnnHandle& handle, const ConvProblem& problem, const std::string& bytes);
  ~ConvPlan();
  std::string serialize() const;
  size_t workspace_bytes() const { return workspace_bytes_; }
  void run(cudaStream_t stream, const ConvArgs& args) const;

 private:
  void read_workspace();
  CudnnHandle& handle_;
  ConvProblem problem_;
  std::unique_ptr<Descriptor> plan_;
  size_t workspace_bytes_ = 0;
};

// What cuDNN's heuristics propose, best first by their guess, then every other configuration of the engines that choose
// among compiled shapes of kernels. Nothing is compiled.
std::vector<ConvConfig> conv_configs(CudnnHandle& handle, const ConvProblem& problem);

}  // namespace tfengine::cuda
