// SPDX-License-Identifier: Apache-2.0
// Random graphs and tensors for property tests. Everything follows from one seed, which a failing test prints.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace tfengine::testing {

// A number that the environment gives to change what is tested, or `fallback`.
inline uint64_t environment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  // In [low, high], both included. Drawn by remainder, so that seeds mean the same with every standard library.
  int64_t integer(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  float real(float low, float high) {
    return low + (high - low) * static_cast<float>(engine_() >> 40) / static_cast<float>(1 << 24);
  }
  bool chance(double probability) { return real(0.0f, 1.0f) < static_cast<float>(probability); }
  template <typename T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[integer(0, static_cast<int64_t>(choices.size()) - 1)];
  }

 private:
  std::mt19937_64 engine_;
};

// Uniform in [low, high]; integers likewise.
Tensor random_tensor(Random& random, DType dtype, const Shape& shape, float low = -1.0f, float high = 1.0f);
// For the graph's inputs, unknown dimensions as `open`.
std::vector<Tensor> random_inputs(Random& random, const ir::Graph& graph, int64_t open = 2);

// A small network as TensorFlow exports it (Conv2D, BiasAdd, FusedBatchNormV3, activations, residual sums, pooling,
// concatenation, a classifier), with batch size -1.
ir::Graph random_network(Random& random);

// One step with static shapes, as the fused and laid out graph of an engine has it: "Conv2D", "DepthwiseConv2dNative",
// "MatMul", "Add", "Pool", ... In INT8 its data inputs come from Quantize nodes and its output is INT8 or F32.
enum class StepPrecision : uint8_t { Float, Int8 };
std::vector<std::string> step_kinds(StepPrecision precision);
ir::Graph random_step(Random& random, const std::string& kind, StepPrecision precision);

}  // namespace tfengine::testing
