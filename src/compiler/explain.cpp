// SPDX-License-Identifier: Apache-2.0
#include "compiler/explain.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "compiler/sample_run.h"
#include "quantize/magnitudes.h"
#include "quantize/metrics.h"
#include "quantize/solver.h"

namespace tfengine::detail {

namespace {

Explanation of_grid(const quantize::TensorReport& tensor, const quantize::Histogram& histogram) {
  Explanation row;
  row.tensor = tensor.name;
  const quantize::Magnitudes magnitudes = quantize::magnitudes_of(histogram);
  const double seen = magnitudes.mass + magnitudes.zeros;
  if (seen <= 0.0) return row;
  const double bound = static_cast<double>(tensor.max_abs);
  double beyond = 0.0, signal = 0.0;
  for (const quantize::Piece& piece : magnitudes.pieces) {
    const double width = piece.high - piece.low;
    beyond += piece.low >= bound ? piece.mass : piece.high > bound ? piece.mass * (piece.high - bound) / width : 0.0;
    signal += piece.mass * (piece.low * piece.low + piece.low * piece.high + piece.high * piece.high) / 3.0;
  }
  // The piece of the largest values goes beyond them.
  row.clipped = tensor.max_abs >= histogram.moments().max_abs() ? 0.0 : beyond / seen;
  const int symmetric = tensor.dtype == DType::U8 ? quantize::kUnsignedLevels : quantize::kSignedLevels;
  const int levels = tensor.zero_point == 0 ? symmetric : std::max(1, static_cast<int>(tensor.max_abs / tensor.scale));
  if (bound > 0.0) row.alone_db = quantize::decibels(signal, quantize::quantization_error(magnitudes, bound, levels));
  return row;
}

// A tensor's values, dense and in float.
std::vector<float> values_of(const plan::TensorDesc& desc, const void* data) {
  std::vector<float> values;
  values.reserve(static_cast<size_t>(desc.shape.elements()));
  const int64_t channels = desc.shape.rank() == 0 ? 1 : desc.shape.back();
  const float scale = desc.quant.scales.empty() ? 1.0f : desc.quant.scales[0];
  const int zero = desc.quant.zero_point;
  for (int64_t pixel = 0; pixel < desc.shape.elements() / std::max<int64_t>(channels, 1); ++pixel) {
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t at = pixel * desc.pixel_stride + c;
      switch (desc.dtype) {
        case DType::S8:
          values.push_back(scale * static_cast<float>(static_cast<const int8_t*>(data)[at] - zero));
          break;
        case DType::U8:
          values.push_back(scale * static_cast<float>(static_cast<const uint8_t*>(data)[at] - zero));
          break;
        default:
          values.push_back(static_cast<const float*>(data)[at]);
      }
    }
  }
  return values;
}

bool is_readable(DType dtype) { return dtype == DType::F32 || dtype == DType::S8 || dtype == DType::U8; }

// What a grid alone does to values.
struct OnGrid {
  double signal = 0.0, noise = 0.0;
  int64_t beyond = 0, count = 0;

  void add(const quantize::TensorReport& grid, const std::vector<float>& values) {
    const int levels = grid.dtype == DType::U8 ? quantize::kUnsignedLevels : quantize::kSignedLevels;
    const auto zero = static_cast<float>(grid.zero_point);
    const float high = grid.scale * (static_cast<float>(levels) - zero);
    const float low = grid.dtype == DType::U8 ? -grid.scale * zero : -high;
    for (const float value : values) {
      if (!std::isfinite(value)) continue;
      const float held = std::clamp(grid.scale * std::nearbyint(value / grid.scale), low, high);
      const double v = static_cast<double>(value), e = v - static_cast<double>(held);
      // Half a step beyond the end is rounding.
      beyond += value > high + grid.scale / 2 || value < low - grid.scale / 2;
      signal += v * v;
      noise += e * e;
      ++count;
    }
  }
};

// One tensor over all samples.
struct Seen {
  std::vector<float> wanted;  // of the batch that is being run
  OnGrid on_grid;
  double signal = 0.0, noise = 0.0;
  std::vector<bool> alive;  // by channel
  bool compared = false;

  void want(const plan::TensorDesc& desc, const void* data) {
    wanted = values_of(desc, data);
    if (desc.shape.rank() < 2) return;
    alive.resize(static_cast<size_t>(desc.shape.back()), false);
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i] != 0.0f) alive[i % alive.size()] = true;
    }
  }
  void compare(const plan::TensorDesc& desc, const void* data) {
    const std::vector<float> got = values_of(desc, data);
    if (got.size() != wanted.size()) return;
    for (size_t i = 0; i < got.size(); ++i) {
      const double w = static_cast<double>(wanted[i]), e = w - static_cast<double>(got[i]);
      signal += w * w;
      noise += e * e;
    }
    compared = true;
  }
};

}  // namespace

std::vector<Explanation> explain_grids(const quantize::RewriteReport& report,
                                       const quantize::HistogramSet& histograms) {
  std::vector<Explanation> rows;
  for (const quantize::TensorReport& tensor : report.tensors) {
    const auto found = histograms.tensors.find(tensor.name);
    if (found == histograms.tensors.end() || tensor.scale == 0.0f) continue;
    rows.push_back(of_grid(tensor, found->second));
  }
  return rows;
}

void explain_on(std::vector<Explanation>& rows, const quantize::RewriteReport& report, const ir::Graph& float_graph,
                const ir::Graph& int8_graph, BatchSource& data, int64_t max_samples,
                const runtime::EngineConfig& config) {
  std::vector<std::string> names;
  for (const quantize::TensorReport& tensor : report.tensors) names.push_back(tensor.name);
  std::vector<Seen> seen(names.size());
  std::set<std::string_view> told;  // by histograms
  for (const Explanation& row : rows) {
    if (row.alone_db) told.insert(row.tensor);
  }
  SampleRun exact(float_graph, config), quantized(int8_graph, config);
  for_each_batch(data, max_samples, [&](const Batch& batch) {
    for (Seen& tensor : seen) tensor.wanted.clear();
    exact.run(batch, names, [&](size_t index, const plan::TensorDesc& desc, const void* at) {
      if (!is_readable(desc.dtype)) return;
      seen[index].want(desc, at);
      const quantize::TensorReport& grid = report.tensors[index];
      if (grid.scale > 0.0f && told.count(grid.name) == 0) seen[index].on_grid.add(grid, seen[index].wanted);
    });
    quantized.run(batch, names, [&](size_t index, const plan::TensorDesc& desc, const void* at) {
      if (is_readable(desc.dtype) && !seen[index].wanted.empty()) seen[index].compare(desc, at);
    });
  });
  for (size_t i = 0; i < names.size(); ++i) {
    if (!seen[i].compared && seen[i].on_grid.count == 0) continue;
    auto row = std::find_if(rows.begin(), rows.end(), [&](const Explanation& each) { return each.tensor == names[i]; });
    if (row == rows.end()) row = rows.insert(rows.end(), Explanation{names[i], {}, {}, {}, {}, {}});
    if (const OnGrid& grid = seen[i].on_grid; grid.count > 0) {
      row->clipped = static_cast<double>(grid.beyond) / static_cast<double>(grid.count);
      row->alone_db = quantize::decibels(grid.signal, grid.noise);
    }
    // Graph inputs and what INT8 left alone have no noise: the figure would say nothing.
    if (seen[i].noise > 0.0) row->so_far_db = quantize::decibels(seen[i].signal, seen[i].noise);
    if (seen[i].alive.empty()) continue;
    row->channels = static_cast<int>(seen[i].alive.size());
    row->dead_channels = static_cast<int>(std::count(seen[i].alive.begin(), seen[i].alive.end(), false));
  }
}

}  // namespace tfengine::detail
