// SPDX-License-Identifier: Apache-2.0
// A convolution or product with constant weights, read from its step: sizes, types, and the numbers behind the accumulator.
#pragma once

#include <variant>
#include <vector>

#include "backends/cuda/backend.h"
#include "backends/cuda/support.h"

namespace tfengine::cuda {

// The node's arithmetic with rows as they are stored.
struct Layer {
  ConvShape shape;  // logical sizes
  int pad_bottom = 0, pad_right = 0;
  int64_t src_pitch = 0, dst_pitch = 0;
  bool depthwise = false;
  bool matrix = false;              // MatMul: weights [k, n]
  bool weights_transposed = false;  // [n, k]
};

Layer layer_of(const StepSpec& spec);
Layer image_layer(const ir::Node& node, const Shape& src, const Shape& weights, int64_t out_c);

// What a step's arithmetic is besides its shape.
struct Types {
  Elem source = Elem::S8;  // what is multiplied
  bool narrowed = false;   // the source is kept in single precision, and half precision is multiplied
  bool int8() const { return source == Elem::S8; }
  Target dst;
  int residual_input = ir::kNone;
  View residual;
};
std::variant<Types, Refusal> types_of(const StepSpec& spec, FloatStorage floats);

// Scales of accumulators, one per output channel; empty for floats.
std::vector<float> accumulator_scales(const StepSpec& spec, const Types& types, int64_t channels);
std::vector<float> bias_of(const StepSpec& spec);

// What kernels capture of a spec, which does not outlive the call.
struct Kept {
  StepSpec spec;
  ir::Node node;
  Layer layer;
  Types types;
  Kept(const StepSpec& from, Layer a_layer, Types a_types)
      : spec(from), node(*from.node), layer(a_layer), types(a_types) {
    spec.graph = nullptr;
    spec.node = &node;
  }
  Kept(const Kept& other) : spec(other.spec), node(other.node), layer(other.layer), types(other.types) {
    spec.node = &node;
  }
  Kept& operator=(const Kept&) = delete;
};

View source_at(const StepSpec& spec, const StepArgs& args);

}  // namespace tfengine::cuda
