// SPDX-License-Identifier: Apache-2.0
#include "quantize/optimal_rounding.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tfengine::quantize {

namespace {

constexpr float kLevels = 127.0f;
// A share of the mean variance added to each: what a few thousand patches say of the smallest directions is noise.
constexpr double kDamping = 0.01;
// Output channels worked on together: their targets stay in the second-level cache.
constexpr int64_t kChunk = 64;

float round_small(float x) { return (x + 12582912.0f) - 12582912.0f; }

// The factors of one block's moments, its rows in the order in which they are left over: the last is rounded first.
struct Factors {
  int64_t n = 0;
  std::vector<int64_t> rows;    // of the block's matrix
  std::vector<float> lower;     // L, unit diagonal left out, row-major
  std::vector<float> diagonal;  // D
};

// The most important weights are rounded first, while many are left to make up for them.
std::vector<int64_t> by_importance(const std::vector<double>& diagonal) {
  std::vector<int64_t> rows(diagonal.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::stable_sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) {
    return diagonal[static_cast<size_t>(a)] < diagonal[static_cast<size_t>(b)];
  });
  return rows;
}

// Second moments, or covariances, of a block in double.
double moment(const InputMoments::Block& block, int64_t n, double count, bool centered, int64_t i, int64_t j) {
  const auto at = static_cast<size_t>(std::max(i, j) * n + std::min(i, j));
  const double mean_i = block.means[static_cast<size_t>(i)] / count,
               mean_j = block.means[static_cast<size_t>(j)] / count;
  return static_cast<double>(block.sums[at]) / count - (centered ? mean_i * mean_j : 0.0);
}

void decompose(Factors& factors) {
  const int64_t n = factors.n;
  float* a = factors.lower.data();
  std::vector<float> column(static_cast<size_t>(n));
  for (int64_t k = 0; k < n; ++k) {
    const float d = std::max(a[k * n + k], 1e-30f);
    factors.diagonal[static_cast<size_t>(k)] = d;
    for (int64_t i = k + 1; i < n; ++i) column[static_cast<size_t>(i)] = a[i * n + k];
    for (int64_t i = k + 1; i < n; ++i) {
      const float l = column[static_cast<size_t>(i)] / d;
      a[i * n + k] = l;
      float* row = a + i * n;
      const float* other = column.data();
      for (int64_t j = k + 1; j <= i; ++j) row[j] -= l * other[j];
    }
  }
}

Factors factor(const InputMoments& moments, const InputMoments::Block& block, bool centered) {
  Factors factors;
  const int64_t n = factors.n = moments.order(block);
  const auto count = static_cast<double>(std::max<uint64_t>(moments.count(), 1));
  std::vector<double> diagonal(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    diagonal[static_cast<size_t>(i)] = std::max(moment(block, n, count, centered, i, i), 0.0);
  }
  const double mean = std::accumulate(diagonal.begin(), diagonal.end(), 0.0) / static_cast<double>(n);
  factors.rows = by_importance(diagonal);
  factors.lower.resize(static_cast<size_t>(n * n));
  factors.diagonal.resize(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const int64_t from_i = factors.rows[static_cast<size_t>(i)];
    for (int64_t j = 0; j <= i; ++j) {
      const double value = moment(block, n, count, centered, from_i, factors.rows[static_cast<size_t>(j)]);
      factors.lower[static_cast<size_t>(i * n + j)] = static_cast<float>(i == j ? value + kDamping * mean : value);
    }
  }
  decompose(factors);
  return factors;
}

// One block of rows by one chunk of output channels.
class Chunk {
 public:
  Chunk(const Factors& factors, const InputMoments& moments, const InputMoments::Block& block, int64_t first,
        int64_t count)
      : factors_(factors), moments_(moments), block_(block), first_(first), count_(count) {
    const auto size = static_cast<size_t>(factors.n * count);
    weights_.resize(size);
    targets_.resize(size);
    error_.resize(static_cast<size_t>(count));
  }

  void load(const float* weights) {
    for (int64_t i = 0; i < factors_.n; ++i) {
      for (int64_t o = 0; o < count_; ++o) weights_[static_cast<size_t>(i * count_ + o)] = weights[at(i, o)];
    }
  }

  // Calls round(row, channel, target in steps) for every weight; the mean squared errors, by channel, are added to `errors`.
  template <typename Round>
  void visit(const float* scales, double* errors, Round&& round) {
    targets_ = weights_;
    for (int64_t i = factors_.n - 1; i >= 0; --i) {
      float* target = targets_.data() + i * count_;
      const float* weight = weights_.data() + i * count_;
      const float d = factors_.diagonal[static_cast<size_t>(i)];
      for (int64_t o = 0; o < count_; ++o) {
        const float rounded = round(i, o, target[o] / scales[o]) * scales[o];
        const float left = target[o] - rounded;
        errors[o] += static_cast<double>(d * left * left);
        error_[static_cast<size_t>(o)] = weight[o] - rounded;
      }
      spread(i);
    }
  }

  int64_t at(int64_t i, int64_t o) const {
    const int64_t row = factors_.rows[static_cast<size_t>(i)];
    const int64_t tap = row / block_.inputs, input = row % block_.inputs;
    return moments_.layout().at(tap * moments_.layout().inputs + block_.first + input, first_ + o);
  }

 private:
  // What is left to round aims at making up for the error of row i.
  void spread(int64_t i) {
    const float* l = factors_.lower.data() + i * factors_.n;
    const float* error = error_.data();
    for (int64_t j = 0; j < i; ++j) {
      float* target = targets_.data() + j * count_;
      for (int64_t o = 0; o < count_; ++o) target[o] += l[j] * error[o];
    }
  }

  const Factors& factors_;
  const InputMoments& moments_;
  const InputMoments::Block& block_;
  int64_t first_, count_;                 // output channels
  std::vector<float> weights_, targets_;  // rows x channels
  std::vector<float> error_;              // by channel, of the row that was rounded last
};

void round_chunk(Chunk& chunk, int64_t first, int64_t count, const float* weights, const QuantizedWeights& nearest,
                 int64_t rows, RoundingResult& result) {
  const float* scales = nearest.quant.scales.data() + first;
  const auto* plain = nearest.tensor.as<int8_t>();
  std::vector<double> before(static_cast<size_t>(count), 0.0), after(static_cast<size_t>(count), 0.0);
  chunk.load(weights);
  chunk.visit(scales, before.data(),
              [&](int64_t i, int64_t o, float) { return static_cast<float>(plain[chunk.at(i, o)]); });
  std::vector<int8_t> rounded(static_cast<size_t>(rows * count));
  chunk.visit(scales, after.data(), [&](int64_t i, int64_t o, float target) {
    const float q = round_small(std::clamp(target, -kLevels, kLevels));
    rounded[static_cast<size_t>(i * count + o)] = static_cast<int8_t>(q);
    return q;
  });
  auto* integers = result.weights.tensor.mutable_as<int8_t>();
  for (int64_t o = 0; o < count; ++o) {
    const auto channel = static_cast<size_t>(o);
    const bool better = after[channel] < before[channel];
    for (int64_t i = 0; better && i < rows; ++i) {
      integers[chunk.at(i, o)] = rounded[static_cast<size_t>(i * count + o)];
    }
    result.error_nearest += before[channel];
    result.error_optimal += better ? after[channel] : before[channel];
  }
}

}  // namespace

RoundingResult round_optimally(const Tensor& weights, const QuantizedWeights& nearest, const InputMoments& moments,
                               bool centered) {
  const WeightLayout& layout = moments.layout();
  RoundingResult result;
  result.weights.quant = nearest.quant;
  result.weights.tensor = Tensor(DType::S8, nearest.tensor.shape());
  std::copy_n(nearest.tensor.as<int8_t>(), nearest.tensor.elements(), result.weights.tensor.mutable_as<int8_t>());
  for (const InputMoments::Block& block : moments.blocks()) {
    const Factors factors = factor(moments, block, centered);
    const int64_t begin = block.group * layout.group_outputs(), end = begin + layout.group_outputs();
    for (int64_t first = begin; first < end; first += kChunk) {
      const int64_t count = std::min(kChunk, end - first);
      Chunk chunk(factors, moments, block, first, count);
      round_chunk(chunk, first, count, weights.as<float>(), nearest, factors.n, result);
    }
  }
  return result;
}

}  // namespace tfengine::quantize
