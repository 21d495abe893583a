// SPDX-License-Identifier: Apache-2.0
#include "compiler/fast_chunk.h"

#include "compiler/chunks.h"
#include "compiler/memory_budget.h"
#include "compiler/slow_steps.h"

namespace tfengine::detail {

FastChunk fastest_chunk(int64_t batch, const std::vector<int64_t>& sizes,
                        const std::function<double(int64_t samples)>& time_us) {
  // Steps timed apart do not show what it costs to begin and end them: chunks have to gain clearly, and smaller ones over
  // larger ones.
  constexpr double kGain = 0.95;
  FastChunk best;
  if (sizes.size() < 2) return best;
  best.whole_us = best.chunks_us = time_us(batch);
  for (const int64_t size : sizes) {
    if (size == 0) continue;
    const double chunks_us = static_cast<double>(batch) / static_cast<double>(size) * time_us(size);
    if (chunks_us < kGain * best.chunks_us) {
      best.samples = size;
      best.chunks_us = chunks_us;
    } else if (chunks_us > best.chunks_us) {
      break;
    }
  }
  return best;
}

FastChunk fastest_chunk(runtime::EngineCore& core, const std::vector<Shape>& shapes) {
  if (!can_time(core.config()) || shapes.empty() || shapes[0].rank() == 0 || shapes[0][0] < 2) return {};
  const ir::Graph graph = core.whole_graph();
  return fastest_chunk(shapes[0][0], chunk_sizes(core, graph, shapes).sizes, [&](int64_t samples) {
    return time_steps(graph, core.config(), {with_samples(shapes, samples)}).total_us;
  });
}

}  // namespace tfengine::detail
