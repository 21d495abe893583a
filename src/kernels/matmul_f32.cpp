// SPDX-License-Identifier: Apache-2.0
#include "kernels/matmul_f32.h"

#include <algorithm>

#include "kernels/epilogue_tile.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/gemm_f32-inl.h"

// What is the same for every instruction set.
#ifndef TFENGINE_KERNELS_MATMUL_F32_PART_
#define TFENGINE_KERNELS_MATMUL_F32_PART_
namespace tfengine::kernels {

inline constexpr int64_t kMatmulPanel = 32;
// The source's columns that are multiplied at a time. Of a block of rows they take half of the second-level cache of small
// server cores, and stay there while the panels pass by; of a panel 128 KiB. So weights are read once, however deep they are.
inline constexpr int64_t kMatmulDepth = 1024;
inline constexpr int64_t kMatmulRows = 256;
// Two tiles of the widest vectors, whose sums are finished while they are in the first-level cache.
inline constexpr int64_t kMatmulTileRows = 28;
// Panels whose sums wait for the next columns of the source: 256 KiB with all rows.
inline constexpr int64_t kMatmulPanels = 8;
inline constexpr int64_t kMatmulSums = kMatmulPanels * kMatmulRows * kMatmulPanel;

struct MatmulPart {
  int64_t row_begin, row_end;
  int64_t panel_begin, panel_end;
  float* sums;
  Ahead ahead;
};

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {

// Columns that a tile of rows_of_floats has.
constexpr int kTileVecs = kFloatLanes >= 16 ? 2 : kFloatVecs;
constexpr int64_t kTileColumns = int64_t{kTileVecs} * kFloatLanes;
static_assert(kMatmulPanel % kTileColumns == 0);

// [panel][tile of columns][depth][kTileColumns]; columns that are missing are 0.
void matmul_pack(const MatmulShape& s, const float* weights, bool transposed, float* packed) {
  const int64_t whole = (s.columns + kMatmulPanel - 1) / kMatmulPanel * kMatmulPanel;
  for (int64_t first = 0; first < whole; first += kTileColumns) {
    const int64_t count = std::clamp(s.columns - first, int64_t{0}, kTileColumns);
    for (int64_t k = 0; k < s.depth; ++k, packed += kTileColumns) {
      for (int64_t c = 0; c < count; ++c) {
        packed[c] = transposed ? weights[(first + c) * s.depth + k] : weights[k * s.columns + first + c];
      }
      std::fill(packed + count, packed + kTileColumns, 0.0f);
    }
  }
}

// What to bring nearer while a panel is multiplied: the next one.
struct Fetch {
  const float* at = nullptr;
  int64_t lines = 0;
};

// Of a matrix: some rows, and the panels whose sums are in the workspace, [panel][row][kMatmulPanel], where the
// source's columns are more than are multiplied at a time.
struct Block {
  int64_t row, rows;
  int64_t panel_begin, panel_end;
};

// Columns [k, k + depth) of the source.
struct Columns {
  int64_t k, depth;
};

// Adds those columns of a few rows times the weights to the sums of a panel.
void add_to_sums(const MatmulShape& s, const float* src, int64_t rows, const float* weights, const Columns& columns,
                 float* sums, Fetch& fetch) {
  for (int64_t c = 0; c < kMatmulPanel; c += kTileColumns, weights += s.depth * kTileColumns) {
    StridedFloats t{src + columns.k, s.src_stride, columns.depth, weights + columns.k * kTileColumns,
                    sums + c,        kMatmulPanel, kFloatLanes,   columns.k > 0};
    t.fetch = fetch.at;
    t.fetch_lines = fetch.lines;
    rows_of_floats_fetching<kTileVecs>(rows, t);
    fetch = {t.fetch, t.fetch_lines};
  }
}

struct Operands {
  const float *src, *packed;
  const Epilogue* epilogue;
  void* dst;
};

// One panel times the columns. `last`: its sums are finished then, while they are in the first-level cache.
void multiply_panel(const MatmulShape& s, const Operands& at, const Block& block, int64_t panel, const Columns& columns,
                    bool last, float* sums, Fetch fetch) {
  const float* weights = at.packed + panel * s.depth * kMatmulPanel;
  const int64_t column = panel * kMatmulPanel;
  const bool kept = columns.k > 0 || !last;  // between columns
  for (int64_t r = 0; r < block.rows; r += kMatmulTileRows) {
    const int64_t rows = std::min(kMatmulTileRows, block.rows - r), row = block.row + r;
    float* tile = kept ? sums + r * kMatmulPanel : sums;
    add_to_sums(s, at.src + row * s.src_stride, rows, weights, columns, tile, fetch);
    if (!last) continue;
    finish_tile(*at.epilogue, EpilogueTile<float>{tile, kMatmulPanel, rows, std::min(kMatmulPanel, s.columns - column),
                                                  row, column, at.dst, s.dst_stride});
  }
}

void multiply_block(const MatmulShape& s, const Operands& at, const Block& block, float* sums, Ahead ahead) {
  const int64_t panel_floats = s.depth * kMatmulPanel;
  const int64_t chunks = std::max<int64_t>(1, (s.depth + kMatmulDepth - 1) / kMatmulDepth);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t k = s.depth * chunk / chunks;
    const Columns columns{k, s.depth * (chunk + 1) / chunks - k};
    const bool last_chunk = chunk + 1 == chunks;
    for (int64_t panel = block.panel_begin; panel < block.panel_end; ++panel) {
      // The same columns of the next panel come next, or the next columns of the first one.
      const bool last = panel + 1 == block.panel_end;
      const float* next = at.packed + (last ? block.panel_begin : panel + 1) * panel_floats;
      Fetch fetch{next + (last ? k + columns.depth : k) * kTileColumns, columns.depth * kMatmulPanel / kLineFloats};
      if (last && last_chunk) fetch = {reinterpret_cast<const float*>(ahead.begin), ahead.bytes / 64};
      multiply_panel(s, at, block, panel, columns, last_chunk,
                     sums + (panel - block.panel_begin) * kMatmulRows * kMatmulPanel, fetch);
    }
  }
}

void matmul_part(const MatmulShape& s, const float* src, const float* packed, const Epilogue& e, void* dst,
                 const MatmulPart& part) {
  const int64_t rows = part.row_end - part.row_begin, panels = part.panel_end - part.panel_begin;
  const int64_t row_blocks = (rows + kMatmulRows - 1) / kMatmulRows;
  const int64_t groups = (panels + kMatmulPanels - 1) / kMatmulPanels;
  for (int64_t r = 0; r < row_blocks; ++r) {
    const int64_t row = part.row_begin + rows * r / row_blocks;
    const int64_t end = part.row_begin + rows * (r + 1) / row_blocks;
    for (int64_t g = 0; g < groups; ++g) {
      const Block block{row, end - row, part.panel_begin + panels * g / groups,
                        part.panel_begin + panels * (g + 1) / groups};
      const float* behind = packed + block.panel_end * s.depth * kMatmulPanel;
      const Ahead next{reinterpret_cast<const std::byte*>(behind),
                       std::min(s.depth, kMatmulDepth) * kMatmulPanel * static_cast<int64_t>(sizeof(float))};
      multiply_block(s, {src, packed, &e, dst}, block, part.sums, g + 1 < groups ? next : part.ahead);
    }
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(matmul_pack);
HWY_EXPORT(matmul_part);

int64_t panels_of(const MatmulShape& s) { return matmul_f32_packed_columns(s.columns) / kMatmulPanel; }

}  // namespace

int64_t matmul_f32_packed_columns(int64_t columns) {
  return (columns + kMatmulPanel - 1) / kMatmulPanel * kMatmulPanel;
}

size_t matmul_f32_packed_bytes(const MatmulShape& s) {
  return static_cast<size_t>(matmul_f32_packed_columns(s.columns) * s.depth) * sizeof(float);
}

void matmul_f32_pack(const MatmulShape& s, const float* weights, bool transposed, float* packed) {
  HWY_DYNAMIC_DISPATCH(matmul_pack)(s, weights, transposed, packed);
}

size_t matmul_f32_workspace_bytes(int threads) {
  return static_cast<size_t>(std::max(threads, 1)) * kMatmulSums * sizeof(float);
}

void matmul_f32_run(const MatmulShape& s, const float* src, const float* packed, const Epilogue& epilogue, void* dst,
                    void* workspace, int threads, Ahead ahead) {
  const int64_t panels = panels_of(s);
  // Threads share panels, so that each reads its own weights; with few of them rows.
  const int columns = static_cast<int>(std::min<int64_t>(threads, panels));
  const int rows = std::max(1, std::min<int>(threads / columns, static_cast<int>(s.rows)));
  const double ns = static_cast<double>(s.rows * s.columns * s.depth) / 16.0;
  const int useful = useful_threads(threads, ns, int64_t{rows} * columns);
  for_each_grid_part(useful == 1 ? 1 : rows, useful == 1 ? 1 : columns, s.rows, panels, useful,
                     [&](const GridPart& part) {
                       float* sums = static_cast<float*>(workspace) + part.index * kMatmulSums;
                       HWY_DYNAMIC_DISPATCH(matmul_part)
                       (s, src, packed, epilogue, dst,
                        {part.chunk_begin, part.chunk_end, part.block_begin, part.block_end, sums,
                         ahead.part(part.index, int64_t{rows} * columns)});
                     });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
