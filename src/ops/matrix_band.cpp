// SPDX-License-Identifier: Apache-2.0
// Diagonals of matrices: MatrixBandPart keeps a band, MatrixDiag* make matrices of diagonals, MatrixDiagPart* take them out,
// MatrixSetDiag* put them in. Versions 2 and 3 take several diagonals at once, packed into rows of one width.
#include <algorithm>
#include <cstring>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

Shape leading(const Shape& shape, size_t dropped) {
  return Shape(std::vector<int64_t>(shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(dropped)));
}

Shape with(Shape shape, std::initializer_list<int64_t> more) {
  shape.dims().insert(shape.dims().end(), more.begin(), more.end());
  return shape;
}

void at_least_rank(const InferContext& context, size_t i, size_t rank) {
  const Shape& shape = context.inputs[i].shape;
  if (shape.ranked() && shape.rank() < rank) {
    bad_node(context.node, "input {} has shape {}, expected rank {} or more", i, shape.str(), rank);
  }
}

std::vector<TypeInfo> infer_band(const InferContext& context) {
  require_inputs(context, 3);
  at_least_rank(context, 0, 2);
  return {context.inputs[0]};
}

std::vector<Tensor> evaluate_band(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_band, node, inputs);
  const int64_t lower = as_ints(inputs[1]).at(0), upper = as_ints(inputs[2]).at(0);
  const Shape& shape = output.shape();
  const int64_t columns = shape.back(), rows = shape[shape.rank() - 2];
  const size_t bytes = dtype_bytes(output.dtype());
  if (output.elements() == 0) return {output};
  for (int64_t r = 0; r < output.elements() / columns; ++r) {
    const int64_t row = r % rows;
    const int64_t from = lower < 0 ? 0 : std::clamp<int64_t>(row - lower, 0, columns);
    const int64_t to = upper < 0 ? columns : std::clamp<int64_t>(row + upper + 1, from, columns);
    const size_t at = static_cast<size_t>(r * columns + from) * bytes;
    std::memcpy(output.mutable_as<std::byte>() + at, inputs[0].as<std::byte>() + at,
                static_cast<size_t>(to - from) * bytes);
  }
  return {output};
}

// Diagonals `low` to `high` of a matrix: 0 the main one, positive ones above it. Alignment says on which side shorter ones
// are filled up; the first versions of the ops know the main one only.
struct Band {
  int64_t low = 0, high = 0;
  bool single = true;  // packed without an axis of their own
  bool left_above = true, left_below = true;
  int64_t count() const { return high - low + 1; }
};

bool left(const ir::Node& node, char side) {
  const std::string align = node.attr_or<std::string>("align", "RIGHT_LEFT");
  if (node.op.back() == '2') return true;
  const size_t bar = align.find('_');
  if (bar == std::string::npos) bad_node(node, "align is '{}', expected two sides", align);
  return (side == 'a' ? align.substr(0, bar) : align.substr(bar + 1)) == "LEFT";
}

std::optional<Band> band_of(const InferContext& context, size_t input) {
  if (context.inputs.size() <= input) return Band{};
  const auto k = known_ints(context, input);
  if (!k) return std::nullopt;
  if (k->empty() || k->size() > 2 || k->front() > k->back()) {
    bad_node(context.node, "its diagonals are [{}], expected one or a rising pair", fmt::join(*k, ","));
  }
  return Band{k->front(), k->back(), k->front() == k->back(), left(context.node, 'a'), left(context.node, 'b')};
}

int64_t diagonal_length(int64_t rows, int64_t columns, int64_t d) {
  return std::min(rows + std::min<int64_t>(d, 0), columns - std::max<int64_t>(d, 0));
}

int64_t widest(int64_t rows, int64_t columns, const Band& band) {
  return std::min(rows + std::min<int64_t>(band.high, 0), columns - std::max<int64_t>(band.low, 0));
}

void check_band(const ir::Node& node, int64_t rows, int64_t columns, const Band& band) {
  const bool empty = rows == 0 || columns == 0;
  if (!empty && (band.low <= -rows || band.high >= columns)) {
    bad_node(node, "diagonals {} to {} do not lie in a matrix of {} x {}", band.low, band.high, rows, columns);
  }
}

// Calls place(row of packed diagonals, position in it, row, column) for all elements of the band.
template <typename Place>
void for_each_in_band(int64_t rows, int64_t columns, int64_t width, const Band& band, Place&& place) {
  for (int64_t d = band.high; d >= band.low; --d) {
    const int64_t length = diagonal_length(rows, columns, d);
    const bool fill_right = d >= 0 ? band.left_above : band.left_below;
    const int64_t start = band.single || fill_right ? 0 : width - length;
    for (int64_t i = 0; i < length; ++i) {
      place(band.high - d, start + i, i + std::max<int64_t>(-d, 0), i + std::max<int64_t>(d, 0));
    }
  }
}

Shape packed_shape(const Shape& batch, int64_t width, const Band& band) {
  return band.single ? with(batch, {width}) : with(batch, {band.count(), width});
}

// Inputs: matrices, and from the second version on diagonals and what fills them up.
std::vector<TypeInfo> infer_diag_part(const InferContext& context) {
  require_inputs(context, 1);
  at_least_rank(context, 0, 2);
  const TypeInfo& input = context.inputs[0];
  const auto band = band_of(context, 1);
  if (!input.shape.ranked() || !band) return {{input.dtype, Shape::unknown_rank()}};
  const int64_t rows = input.shape[input.shape.rank() - 2], columns = input.shape.back();
  if (rows < 0 || columns < 0) return {{input.dtype, packed_shape(leading(input.shape, 2), -1, *band)}};
  check_band(context.node, rows, columns, *band);
  return {{input.dtype, packed_shape(leading(input.shape, 2), widest(rows, columns, *band), *band)}};
}

InferContext context_of(const ir::Node& node, std::span<const Tensor> inputs, std::vector<TypeInfo>& types) {
  for (const Tensor& input : inputs) types.push_back({input.dtype(), input.shape()});
  return {node, types, inputs};
}

void fill_with(Tensor& output, const Tensor& value) {
  const size_t bytes = dtype_bytes(output.dtype());
  for (int64_t i = 0; i < output.elements(); ++i) {
    std::memcpy(output.mutable_as<std::byte>() + static_cast<size_t>(i) * bytes, value.data(), bytes);
  }
}

void require_filler(const ir::Node& node, const Tensor& value, DType dtype) {
  if (value.dtype() != dtype || value.elements() != 1) {
    bad_node(node, "its padding value is {} {}, expected one {}", dtype_name(value.dtype()), value.shape().str(),
             dtype_name(dtype));
  }
}

std::vector<Tensor> evaluate_diag_part(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_diag_part, node, inputs);
  std::vector<TypeInfo> types;
  const Band band = *band_of(context_of(node, inputs, types), 1);
  if (inputs.size() > 2) {
    require_filler(node, inputs[2], output.dtype());
    fill_with(output, inputs[2]);
  }
  const Shape& in = inputs[0].shape();
  const int64_t rows = in[in.rank() - 2], columns = in.back(), width = output.shape().back();
  const int64_t packed = width * band.count();
  const int64_t count = packed > 0 ? output.elements() / packed : 0;
  const size_t bytes = dtype_bytes(output.dtype());
  for (int64_t n = 0; n < count; ++n) {
    for_each_in_band(rows, columns, width, band, [&](int64_t d, int64_t i, int64_t row, int64_t column) {
      std::memcpy(output.mutable_as<std::byte>() + static_cast<size_t>(n * packed + d * width + i) * bytes,
                  inputs[0].as<std::byte>() + static_cast<size_t>((n * rows + row) * columns + column) * bytes, bytes);
    });
  }
  return {output};
}

// Inputs: packed diagonals, then diagonals, rows and columns (-1: as few as fit), and what fills the matrix.
std::vector<TypeInfo> infer_diag(const InferContext& context) {
  require_inputs(context, 1);
  at_least_rank(context, 0, 1);
  const TypeInfo& input = context.inputs[0];
  const auto band = band_of(context, 1);
  if (!input.shape.ranked() || !band) return {{input.dtype, Shape::unknown_rank()}};
  const Shape batch = leading(input.shape, band->single ? 1 : 2);
  const int64_t width = input.shape.back();
  auto rows = context.inputs.size() > 2 ? known_int(context, 2) : std::optional<int64_t>(-1);
  auto columns = context.inputs.size() > 3 ? known_int(context, 3) : std::optional<int64_t>(-1);
  if (!rows || !columns || width < 0) return {{input.dtype, with(batch, {-1, -1})}};
  const int64_t least_rows = width - std::min<int64_t>(band->high, 0);
  const int64_t least_columns = width + std::max<int64_t>(band->low, 0);
  if (*rows < 0 && *columns < 0) {
    rows = columns = std::max(least_rows, least_columns);
  } else if (*rows < 0) {
    rows = least_rows;
  } else if (*columns < 0) {
    columns = least_columns;
  }
  check_band(context.node, *rows, *columns, *band);
  if (widest(*rows, *columns, *band) != width) {
    bad_node(context.node, "diagonals of {} do not fit a matrix of {} x {}", width, *rows, *columns);
  }
  return {{input.dtype, with(batch, {*rows, *columns})}};
}

void put_diagonals(const Tensor& packed, const Band& band, Tensor& output) {
  const Shape& out = output.shape();
  const int64_t rows = out[out.rank() - 2], columns = out.back(), width = packed.shape().back();
  const int64_t count = rows * columns > 0 ? output.elements() / (rows * columns) : 0;
  const size_t bytes = dtype_bytes(output.dtype());
  for (int64_t n = 0; n < count; ++n) {
    for_each_in_band(rows, columns, width, band, [&](int64_t d, int64_t i, int64_t row, int64_t column) {
      std::memcpy(output.mutable_as<std::byte>() + static_cast<size_t>((n * rows + row) * columns + column) * bytes,
                  packed.as<std::byte>() + static_cast<size_t>((n * band.count() + d) * width + i) * bytes, bytes);
    });
  }
}

std::vector<Tensor> evaluate_diag(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_diag, node, inputs);
  std::vector<TypeInfo> types;
  const Band band = *band_of(context_of(node, inputs, types), 1);
  if (inputs.size() > 4) {
    require_filler(node, inputs[4], output.dtype());
    fill_with(output, inputs[4]);
  }
  put_diagonals(inputs[0], band, output);
  return {output};
}

// Inputs: matrices, packed diagonals, and which they are.
std::vector<TypeInfo> infer_set_diag(const InferContext& context) {
  require_inputs(context, 2);
  at_least_rank(context, 0, 2);
  const TypeInfo& input = context.inputs[0];
  const auto band = band_of(context, 2);
  if (!band || !input.shape.ranked()) return {input};
  const int64_t rows = input.shape[input.shape.rank() - 2], columns = input.shape.back();
  if (rows < 0 || columns < 0) return {input};
  check_band(context.node, rows, columns, *band);
  merge_shapes(context.node, packed_shape(leading(input.shape, 2), widest(rows, columns, *band), *band),
               context.inputs[1].shape);
  return {input};
}

std::vector<Tensor> evaluate_set_diag(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_set_diag, node, inputs);
  std::vector<TypeInfo> types;
  const Band band = *band_of(context_of(node, inputs, types), 2);
  std::memcpy(output.mutable_data(), inputs[0].data(), inputs[0].bytes());
  put_diagonals(inputs[1], band, output);
  return {output};
}

}  // namespace

std::vector<Op> matrix_band_ops() {
  const Int8Rule passes{.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll};
  std::vector<Op> ops = {{.name = "MatrixBandPart", .infer = infer_band, .evaluate = evaluate_band, .int8 = passes}};
  // The second and third version differ in how they align, which the name tells.
  for (const char* version : {"", "V2", "V3"}) {
    ops.push_back({.name = std::string("MatrixDiag") + version, .infer = infer_diag, .evaluate = evaluate_diag});
    ops.push_back(
        {.name = std::string("MatrixDiagPart") + version, .infer = infer_diag_part, .evaluate = evaluate_diag_part});
    ops.push_back({.name = std::string("MatrixSetDiag") + version,
                   .infer = infer_set_diag,
                   .evaluate = evaluate_set_diag,
                   .int8 = {.data_inputs = {0, 1}}});
  }
  return ops;
}

}  // namespace tfengine::ops
