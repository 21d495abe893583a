// SPDX-License-Identifier: Apache-2.0
#include "kernels/chain.h"

#include <algorithm>
#include <cstring>

#include "kernels/chain_blocks.h"
#include "kernels/eltwise_block.h"
#include "kernels/parallel.h"
#include "kernels/stream.h"

namespace tfengine::kernels {
namespace {

using Kind = ChainStep::Kind;
using Form = ChainTensor::Form;
using Way = ChainPlan::Input::Way;

int64_t register_bytes(const ChainTensor& tensor) { return tensor.form == Form::Plain ? num_bytes(tensor.type) : 4; }

const std::byte* element(const ChainTensor& tensor, const void* base, int64_t index) {
  return static_cast<const std::byte*>(base) + index * element_bytes(tensor);
}
std::byte* element(const ChainTensor& tensor, void* base, int64_t index) {
  return static_cast<std::byte*>(base) + index * element_bytes(tensor);
}

// n neighbouring elements as values of a register.
void load(const ChainTensor& tensor, const std::byte* from, int64_t n, std::byte* to) {
  if (tensor.form == Form::Half) {
    widen(tensor.half, n, reinterpret_cast<const uint16_t*>(from), reinterpret_cast<float*>(to), 1);
  } else if (tensor.form == Form::Scaled) {
    block_load(tensor.elem, n, from, tensor.scale, tensor.zero, reinterpret_cast<float*>(to));
  } else {
    std::memcpy(to, from, static_cast<size_t>(n * element_bytes(tensor)));
  }
}

void store(const ChainTensor& tensor, const std::byte* from, int64_t n, std::byte* to) {
  if (tensor.form == Form::Half) {
    narrow(tensor.half, n, reinterpret_cast<const float*>(from), reinterpret_cast<uint16_t*>(to), 1);
  } else if (tensor.form == Form::Scaled) {
    block_store(tensor.elem, n, reinterpret_cast<const float*>(from), 1.0f / tensor.scale, tensor.zero, to);
  } else {
    std::memcpy(to, from, static_cast<size_t>(n * element_bytes(tensor)));
  }
}

// The same past the caches; what is not as it is in the register goes by way of a small block.
void store_streamed(const ChainTensor& tensor, const std::byte* from, int64_t n, std::byte* to) {
  const int64_t bytes = element_bytes(tensor);
  if (tensor.form == Form::Plain) return stream_copy(static_cast<size_t>(n * bytes), from, to);
  constexpr int64_t kPiece = 1024;
  alignas(64) std::byte piece[2 * kPiece];
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t count = std::min(kPiece, n - i);
    store(tensor, from + i * register_bytes(tensor), count, piece);
    stream_copy(static_cast<size_t>(count * bytes), piece, to + i * bytes);
  }
}

// Makes the first element of `values` the first n.
void repeat_first(int64_t bytes, std::byte* values, int64_t n) {
  for (int64_t have = 1; have < n; have *= 2)
    std::memcpy(values + have * bytes, values, static_cast<size_t>(std::min(have, n - have) * bytes));
}

// n elements along the innermost axis, `step` apart.
void load_run(const ChainTensor& tensor, const void* base, int64_t first, int64_t step, int64_t n, std::byte* to) {
  if (step == 1) return load(tensor, element(tensor, base, first), n, to);
  if (step == 0) {
    load(tensor, element(tensor, base, first), 1, to);
    return repeat_first(register_bytes(tensor), to, n);
  }
  for (int64_t i = 0; i < n; ++i)
    load(tensor, element(tensor, base, first + i * step), 1, to + i * register_bytes(tensor));
}

// The part of the tensors that a block is.
struct Place {
  int64_t row, rows;
  int64_t column, columns;
  int64_t count() const { return rows * columns; }
};

Place place_of(const ChainPlan& plan, int64_t block) {
  const ChainProgram& program = plan.program;
  const int64_t run = program.dims[program.rank - 1];
  if (plan.rows_per_block == 1) {
    const int64_t column = block % plan.pieces * plan.block;
    return {block / plan.pieces, 1, column, std::min(plan.block, run - column)};
  }
  int64_t rows = 1;
  for (int axis = 0; axis + 1 < program.rank; ++axis) rows *= program.dims[axis];
  const int64_t row = block * plan.rows_per_block;
  return {row, std::min(plan.rows_per_block, rows - row), 0, run};
}

// A block's values are neighbours among all values. Those at its two ends may belong to results that other blocks have a part
// in: two partial results per block.
struct Folding {
  Folding(const ChainPlan& plan, const Place& place)
      : length(plan.program.fold), first(place.row * plan.program.dims[plan.program.rank - 1] + place.column) {
    head = std::min(length - first % length, place.count());
    tail = (place.count() - head) % length;
  }
  bool whole_head() const { return head == length; }
  int64_t length;
  int64_t first;  // of the block's values among all
  int64_t head;   // values of the block's first result
  int64_t tail;   // values of a last one that is not all there
};

float fold_factor(const ChainProgram& program) {
  return program.fold_kind == ReduceKind::Mean ? 1.0f / static_cast<float>(program.fold) : 1.0f;
}

void fold_block(const ChainPlan& plan, const Place& place, const float* values, float* partial, float* dst) {
  const ChainProgram& program = plan.program;
  const Folding f(plan, place);
  const float factor = fold_factor(program);
  const float head = reduce_line(program.fold_kind, values, f.head);
  (f.whole_head() ? dst[f.first / f.length] : partial[0]) = f.whole_head() ? head * factor : head;
  const int64_t end = place.count() - f.tail;
  for (int64_t at = f.head; at < end; at += f.length)
    dst[(f.first + at) / f.length] = reduce_line(program.fold_kind, values + at, f.length) * factor;
  if (f.tail > 0) partial[1] = reduce_line(program.fold_kind, values + end, f.tail);
}

// The results that several blocks have parts of, in the blocks' order.
void join_partials(const ChainPlan& plan, const float* partials, float* dst) {
  const ChainProgram& program = plan.program;
  const float neutral = reduce_neutral(program.fold_kind), factor = fold_factor(program);
  float total = neutral;
  for (int64_t block = 0; block < plan.blocks; ++block) {
    const Folding f(plan, place_of(plan, block));
    if (!f.whole_head()) total = reduce_two(program.fold_kind, total, partials[2 * block]);
    if ((f.first + f.head) % f.length == 0) {
      if (!f.whole_head()) dst[f.first / f.length] = total * factor;
      total = neutral;
    }
    if (f.tail > 0) total = partials[2 * block + 1];
  }
}

class BlockRun {
 public:
  BlockRun(const ChainPlan& plan, const void* const* src, void* const* dst, float* partials)
      : plan_(plan),
        program_(plan.program),
        src_(src),
        dst_(dst),
        partials_(partials),
        run_(program_.dims[program_.rank - 1]) {
    for (size_t r = 0; r < plan.slots.size(); ++r) at_[r] = slot(r);
    const Place all{0, plan.rows_per_block, 0, std::min(plan.block, plan.rows_per_block * run_) / plan.rows_per_block};
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      if (plan.inputs[i].way == Way::Once) gather(i, all);
    }
  }

  void run(int64_t block) {
    const Place place = place_of(plan_, block);
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      if (plan_.inputs[i].way == Way::Direct)
        at_[i] = element(program_.inputs[i], src_[i], first_element(program_.inputs[i], place));
      else if (plan_.inputs[i].way == Way::Rows)
        gather(i, place);
    }
    const int64_t n = place.count();
    for (const ChainStep& step : program_.steps) {
      const bool direct = plan_.direct_output >= 0 && &step == &program_.steps.back();
      std::byte* to = direct ? output(plan_.direct_output, place) : slot(step.dst);
      run_step(step, n, to);
      at_[step.dst] = to;
    }
    if (program_.fold > 0) {
      const auto* values = static_cast<const float*>(at_[program_.outputs[0].reg]);
      return fold_block(plan_, place, values, partials_ + 2 * block, static_cast<float*>(dst_[0]));
    }
    // Behind all steps: an output may lie where an input did.
    for (size_t i = 0; i < program_.outputs.size(); ++i) {
      if (static_cast<int>(i) != plan_.direct_output) put(i, place);
    }
  }

 private:
  std::byte* slot(size_t reg) {
    return plan_.slots[reg] < 0 ? nullptr : storage_ + plan_.slots[reg] * plan_.slot_bytes;
  }

  // Of a tensor that is dense, or whose rows are and a block is a part of one.
  int64_t first_element(const ChainTensor& tensor, const Place& place) const {
    int64_t first = 0;
    for_rows_of(program_.rank, program_.dims, tensor.strides, place.row, 1,
                [&](int64_t, int64_t offset) { first = offset; });
    return first + place.column;
  }

  void gather(size_t input, const Place& place) {
    const ChainTensor& tensor = program_.inputs[input];
    const int64_t step = tensor.strides[program_.rank - 1];
    std::byte* to = slot(input);
    for_rows_of(program_.rank, program_.dims, tensor.strides, place.row, place.rows, [&](int64_t r, int64_t offset) {
      load_run(tensor, src_[input], offset + place.column * step, step, place.columns,
               to + r * place.columns * register_bytes(tensor));
    });
  }

  std::byte* output(int index, const Place& place) const {
    const ChainTensor& tensor = program_.outputs[static_cast<size_t>(index)];
    return element(tensor, dst_[index], first_element(tensor, place));
  }

  void put(size_t index, const Place& place) {
    const ChainTensor& tensor = program_.outputs[index];
    const auto* from = static_cast<const std::byte*>(at_[tensor.reg]);
    const auto put_row = plan_.streamed ? store_streamed : store;
    if (plan_.dense[index]) return put_row(tensor, from, place.count(), output(static_cast<int>(index), place));
    const int64_t step = tensor.strides[program_.rank - 1];
    for_rows_of(program_.rank, program_.dims, tensor.strides, place.row, place.rows, [&](int64_t r, int64_t offset) {
      const std::byte* row = from + r * place.columns * register_bytes(tensor);
      std::byte* to = element(tensor, dst_[index], offset + place.column * step);
      if (step == 1) return put_row(tensor, row, place.columns, to);
      for (int64_t i = 0; i < place.columns; ++i)
        store(tensor, row + i * register_bytes(tensor), 1, to + i * step * element_bytes(tensor));
    });
  }

  void run_step(const ChainStep& step, int64_t n, std::byte* to) {
    const void* operands[3] = {at_[step.src[0]], at_[step.src[1]], at_[step.src[2]]};
    const auto* a = static_cast<const float*>(operands[0]);
    const auto* b = static_cast<const float*>(operands[1]);
    auto* y = reinterpret_cast<float*>(to);
    switch (step.kind) {
      case Kind::Float:
        return block_op(step.eltwise, n, a, b, step.alpha, step.beta, y);
      case Kind::Typed:
        return typed_row(step.typed, step.type, n, operands, to);
      case Kind::Math:
        return math_f32(step.math, n, a, y, 1);
      case Kind::Angle:
        return atan2_f32(n, a, b, y, 1);
      case Kind::Cast:
        return typed_cast(step.type, step.to, n, operands[0], to, 1);
      case Kind::Round:
        return round_to(step.half, n, a, y);
    }
  }

  static void round_to(Short half, int64_t n, const float* x, float* y) {
    constexpr int64_t kPiece = 256;
    uint16_t narrowed[kPiece];
    for (int64_t i = 0; i < n; i += kPiece) {
      const int64_t count = std::min(kPiece, n - i);
      narrow(half, count, x + i, narrowed, 1);
      widen(half, count, narrowed, y + i, 1);
    }
  }

  const ChainPlan& plan_;
  const ChainProgram& program_;
  const void* const* src_;
  void* const* dst_;
  float* partials_;
  int64_t run_;
  const void* at_[ChainProgram::kMaxRegisters] = {};
  alignas(64) std::byte storage_[kChainStorageBytes];
};

}  // namespace

void chain_run(const ChainPlan& plan, const void* const* src, void* const* dst, int threads, void* workspace) {
  auto* partials = static_cast<float*>(workspace);
  parallel_ranges(plan.blocks, useful_threads(threads, plan.ns, plan.blocks), [&](int64_t begin, int64_t end, int) {
    BlockRun run(plan, src, dst, partials);
    for (int64_t block = begin; block < end; ++block) run.run(block);
    if (plan.streamed) finish_streams();
  });
  if (plan.program.fold > 0) join_partials(plan, partials, static_cast<float*>(dst[0]));
}

}  // namespace tfengine::kernels
