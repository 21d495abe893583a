// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/moves.h"

#include <algorithm>
#include <cstring>

#include "kernels/band.h"
#include "kernels/copy.h"
#include "ops/patches.h"

namespace tfengine::onednn {

namespace {

using List = std::vector<int64_t>;

// One strided copy from an input to the output.
struct Box {
  size_t input = 0;
  int64_t src_base = 0, dst_base = 0;
  kernels::CopyShape shape;
};

struct BoxAxis {
  int64_t size, src_stride, dst_stride;
};

// Axes of one element go, and those that step as one are merged: more than 8 are rarely left.
std::optional<kernels::CopyShape> copy_shape(const std::vector<BoxAxis>& axes) {
  std::vector<BoxAxis> kept;
  for (const BoxAxis& axis : axes) {
    if (axis.size == 1) continue;
    if (!kept.empty() && kept.back().src_stride == axis.src_stride * axis.size &&
        kept.back().dst_stride == axis.dst_stride * axis.size) {
      kept.back() = {kept.back().size * axis.size, axis.src_stride, axis.dst_stride};
    } else {
      kept.push_back(axis);
    }
  }
  if (kept.size() > 8) return std::nullopt;
  if (kept.empty()) kept.push_back({1, 1, 1});
  kernels::CopyShape shape;
  shape.rank = static_cast<int>(kept.size());
  for (size_t i = 0; i < kept.size(); ++i) {
    shape.dims[i] = kept[i].size;
    shape.src_strides[i] = kept[i].src_stride;
    shape.dst_strides[i] = kept[i].dst_stride;
  }
  return shape;
}

// Boxes as they are found; one that has too many axes makes the whole impossible.
class Boxes {
 public:
  void add(size_t input, int64_t src_base, int64_t dst_base, const std::vector<BoxAxis>& axes) {
    for (const BoxAxis& axis : axes) {
      if (axis.size <= 0) return;
    }
    const auto shape = copy_shape(axes);
    if (shape)
      boxes_.push_back({input, src_base, dst_base, *shape});
    else
      fits_ = false;
  }

  // `zeros`: what no box covers is zero.
  Tactics tactic(const StepSpec& spec, const char* name, bool zeros = false) const {
    if (!fits_) return Refusal{"its axes are too many"};
    const auto bytes = static_cast<int64_t>(dtype_bytes(spec.outputs[0].dtype));
    const size_t all = spec.outputs[0].bytes();
    const int threads = spec.threads;
    // What stands for zero; other types than INT8 have no zero point.
    const int zero = spec.outputs[0].quant.zero_point;
    return std::vector<Tactic>{plain_tactic(name, [=, boxes = boxes_](const StepArgs& args) {
      if (zeros) std::memset(args.dst[0], zero, all);
      for (const Box& box : boxes) {
        kernels::copy_strided(bytes, box.shape,
                              static_cast<const std::byte*>(args.src[box.input]) + box.src_base * bytes,
                              static_cast<std::byte*>(args.dst[0]) + box.dst_base * bytes, threads);
      }
    })};
  }

 private:
  std::vector<Box> boxes_;
  bool fits_ = true;
};

List strides_of(const Shape& shape) {
  List strides(shape.rank(), 1);
  for (size_t i = shape.rank(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

Refusal not_constant() { return Refusal{"its sizes are computed at run time; they must be constant"}; }

}  // namespace

std::optional<Refusal> moves_refusal(const StepSpec& spec, size_t data) {
  const TensorDesc &src = spec.inputs[data], &dst = spec.outputs[0];
  const size_t bytes = dtype_bytes(src.dtype);
  if (src.dtype != dst.dtype || src.quant != dst.quant || bytes == 0 || bytes > 8)
    return Refusal{"its output has another type"};
  if (!src.dense() || !dst.dense() || !spec.node->epilogue.empty()) return Refusal{"its tensors are slices"};
  return std::nullopt;
}

Tactics tile_tactics(const StepSpec& spec) {
  if (auto refusal = moves_refusal(spec, 0)) return *refusal;
  const Shape &in = spec.inputs[0].shape, &out = spec.outputs[0].shape;
  const List src = strides_of(in), dst = strides_of(out);
  std::vector<BoxAxis> axes;
  for (size_t i = 0; i < in.rank(); ++i) {
    if (in[i] > 0) axes.push_back({out[i] / in[i], 0, dst[i] * in[i]});
    axes.push_back({in[i], src[i], dst[i]});
  }
  Boxes boxes;
  boxes.add(0, 0, 0, axes);
  return boxes.tactic(spec, "own:tile");
}

Tactics broadcast_to_tactics(const StepSpec& spec) {
  if (auto refusal = moves_refusal(spec, 0)) return *refusal;
  const Shape &in = spec.inputs[0].shape, &out = spec.outputs[0].shape;
  const List src = strides_of(in), dst = strides_of(out);
  std::vector<BoxAxis> axes;
  for (size_t i = 0; i < out.rank(); ++i) {
    const size_t shift = out.rank() - in.rank();
    const bool repeats = i < shift || in[i - shift] == 1;
    axes.push_back({out[i], repeats ? 0 : src[i - shift], dst[i]});
  }
  Boxes boxes;
  boxes.add(0, 0, 0, axes);
  return boxes.tactic(spec, "own:broadcast_to");
}

// Along every axis that moves, two pieces.
Tactics roll_tactics(const StepSpec& spec) {
  if (auto refusal = moves_refusal(spec, 0)) return *refusal;
  const auto shifts = constant_ints(spec, 1), axes = constant_ints(spec, 2);
  if (!shifts || !axes) return not_constant();
  const Shape& shape = spec.outputs[0].shape;
  const List strides = strides_of(shape);
  List start(shape.rank(), 0);
  for (size_t i = 0; i < axes->size(); ++i) {
    const auto axis =
        static_cast<size_t>((*axes)[i] < 0 ? (*axes)[i] + static_cast<int64_t>(shape.rank()) : (*axes)[i]);
    start[axis] = (start[axis] + (*shifts)[i] % shape[axis] + shape[axis]) % shape[axis];
  }
  const auto moving = std::count_if(start.begin(), start.end(), [](int64_t s) { return s != 0; });
  if (moving > 4) return Refusal{"it moves more than 4 axes"};
  Boxes boxes;
  for (int64_t piece = 0; piece < int64_t{1} << moving; ++piece) {
    std::vector<BoxAxis> box;
    int64_t from = 0, to = 0, bit = 0;
    for (size_t i = 0; i < shape.rank(); ++i) {
      int64_t size = shape[i];
      if (start[i] != 0 && ((piece >> bit++) & 1) != 0) {  // the end, which comes to the front
        size = start[i];
        from += (shape[i] - start[i]) * strides[i];
      } else if (start[i] != 0) {
        size = shape[i] - start[i];
        to += start[i] * strides[i];
      }
      box.push_back({size, strides[i], strides[i]});
    }
    boxes.add(0, from, to, box);
  }
  return boxes.tactic(spec, "own:roll");
}

Tactics pack_tactics(const StepSpec& spec) {
  const Shape& out = spec.outputs[0].shape;
  int64_t axis = spec.node->attr_or<int64_t>("axis", 0);
  if (axis < 0) axis += static_cast<int64_t>(out.rank());
  const auto at = static_cast<size_t>(axis);
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < at; ++i) outer *= out[i];
  for (size_t i = at + 1; i < out.rank(); ++i) inner *= out[i];
  const auto count = static_cast<int64_t>(spec.inputs.size());
  Boxes boxes;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    if (auto refusal = moves_refusal(spec, i)) return *refusal;
    boxes.add(i, 0, static_cast<int64_t>(i) * inner, {{outer, inner, count * inner}, {inner, 1, 1}});
  }
  return boxes.tactic(spec, "own:pack");
}

// Every axis in three pieces: mirrored, as it is, mirrored.
Tactics mirror_pad_tactics(const StepSpec& spec) {
  if (auto refusal = moves_refusal(spec, 0)) return *refusal;
  const auto pads = constant_ints(spec, 1);
  if (!pads) return not_constant();
  const Shape &in = spec.inputs[0].shape, &out = spec.outputs[0].shape;
  const int64_t skip = spec.node->attr<std::string>("mode") == "REFLECT" ? 1 : 0;
  const List src = strides_of(in), dst = strides_of(out);
  int64_t pieces = 1;
  for (size_t i = 0; i < in.rank(); ++i) pieces *= (*pads)[2 * i] + (*pads)[2 * i + 1] > 0 ? 3 : 1;
  if (pieces > 243) return Refusal{"it mirrors more than 5 axes"};
  Boxes boxes;
  for (int64_t piece = 0; piece < pieces; ++piece) {
    std::vector<BoxAxis> box;
    int64_t from = 0, to = 0, rest = piece;
    for (size_t i = 0; i < in.rank(); ++i) {
      const int64_t before = (*pads)[2 * i], after = (*pads)[2 * i + 1];
      const int64_t part = before + after > 0 ? rest % 3 : 1;
      if (before + after > 0) rest /= 3;
      if (part == 1) {
        to += before * dst[i];
        box.push_back({in[i], src[i], dst[i]});
      } else if (part == 0) {
        from += (before - 1 + skip) * src[i];
        box.push_back({before, -src[i], dst[i]});
      } else {
        from += (in[i] - 1 - skip) * src[i];
        to += (before + in[i]) * dst[i];
        box.push_back({after, -src[i], dst[i]});
      }
    }
    boxes.add(0, from, to, box);
  }
  return boxes.tactic(spec, "own:mirror_pad");
}

Tactics depth_space_tactics(const StepSpec& spec) {
  if (auto refusal = moves_refusal(spec, 0)) return *refusal;
  const bool to_space = spec.node->op == "DepthToSpace";
  const int64_t b = spec.node->attr<int64_t>("block_size");
  // The small image with deep pixels, and the large one.
  const Shape& deep = to_space ? spec.inputs[0].shape : spec.outputs[0].shape;
  const Shape& wide = to_space ? spec.outputs[0].shape : spec.inputs[0].shape;
  const int64_t c = wide[3], row = wide[2] * c;
  std::vector<BoxAxis> axes = {{deep[0], deep[1] * deep[2] * deep[3], wide[1] * row},
                               {deep[1], deep[2] * deep[3], b * row},
                               {b, b * c, row},
                               {deep[2], deep[3], b * c},
                               {b * c, 1, 1}};
  if (!to_space) {
    for (BoxAxis& axis : axes) std::swap(axis.src_stride, axis.dst_stride);
  }
  Boxes boxes;
  boxes.add(0, 0, 0, axes);
  return boxes.tactic(spec, to_space ? "own:depth_to_space" : "own:space_to_depth");
}

// One box per position in a block: the pixels of one batch entry among the slices lie a block apart in the whole.
Tactics space_batch_tactics(const StepSpec& spec) {
  if (auto refusal = moves_refusal(spec, 0)) return *refusal;
  const bool to_batch = spec.node->op == "SpaceToBatchND";
  const auto block = constant_ints(spec, 1), margins = constant_ints(spec, 2);
  if (!block || !margins) return not_constant();
  const Shape& whole = to_batch ? spec.inputs[0].shape : spec.outputs[0].shape;
  const Shape& slices = to_batch ? spec.outputs[0].shape : spec.inputs[0].shape;
  const List whole_strides = strides_of(whole), slice_strides = strides_of(slices);
  int64_t positions = 1;
  for (const int64_t size : *block) positions *= size;
  if (positions > 1024) return Refusal{"its blocks have more than 1024 pixels"};
  Boxes boxes;
  for (int64_t position = 0; position < positions; ++position) {
    int64_t in_whole = 0, in_slices = position * whole[0] * slice_strides[0], rest = position;
    std::vector<BoxAxis> axes(block->size());
    for (size_t i = block->size(); i-- > 0;) {
      const int64_t b = (*block)[i], offset = rest % b - (*margins)[2 * i];
      rest /= b;
      // s * b + offset has to lie in the whole.
      const int64_t first = offset >= 0 ? 0 : (-offset + b - 1) / b;
      const int64_t last = std::min(slices[i + 1], (whole[i + 1] - offset + b - 1) / b);
      in_whole += (first * b + offset) * whole_strides[i + 1];
      in_slices += first * slice_strides[i + 1];
      axes[i] = {last - first, b * whole_strides[i + 1], slice_strides[i + 1]};
    }
    axes.insert(axes.begin(), {whole[0], whole_strides[0], slice_strides[0]});
    axes.push_back({whole_strides[block->size()], 1, 1});
    if (!to_batch) {
      for (BoxAxis& axis : axes) std::swap(axis.src_stride, axis.dst_stride);
      std::swap(in_whole, in_slices);
    }
    boxes.add(0, in_whole, in_slices, axes);
  }
  const bool padded = to_batch && std::any_of(margins->begin(), margins->end(), [](int64_t pad) { return pad > 0; });
  return boxes.tactic(spec, to_batch ? "own:space_to_batch" : "own:batch_to_space", padded);
}

// One box per tap of the window: the pixels that it sees lie a stride apart.
Tactics patches_tactics(const StepSpec& spec) {
  if (auto refusal = moves_refusal(spec, 0)) return *refusal;
  const Shape &in = spec.inputs[0].shape, &out = spec.outputs[0].shape;
  const ops::Window w = ops::patch_window(*spec.node, in[1], in[2]);
  if (w.kernel_h * w.kernel_w > 1024) return Refusal{"its window has more than 1024 pixels"};
  const List src = strides_of(in), dst = strides_of(out);
  // Where a tap lies inside the image: first position, how many, and the pixel under the first.
  struct Inside {
    int64_t first, count, pixel;
  };
  const auto inside = [](int64_t offset, int64_t stride, int64_t size, int64_t positions) {
    const int64_t first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    const int64_t last = offset >= size ? 0 : std::min(positions, (size - offset + stride - 1) / stride);
    return Inside{first, last - first, first * stride + offset};
  };
  Boxes boxes;
  for (int64_t tap = 0; tap < w.kernel_h * w.kernel_w; ++tap) {
    const Inside y = inside(tap / w.kernel_w * w.dilation_h - w.pad_top, w.stride_h, in[1], w.out_h);
    const Inside x = inside(tap % w.kernel_w * w.dilation_w - w.pad_left, w.stride_w, in[2], w.out_w);
    boxes.add(0, y.pixel * src[1] + x.pixel * src[2], y.first * dst[1] + x.first * dst[2] + tap * in[3],
              {{in[0], src[0], dst[0]},
               {y.count, w.stride_h * src[1], dst[1]},
               {x.count, w.stride_w * src[2], dst[2]},
               {in[3], 1, 1}});
  }
  return boxes.tactic(spec, "own:patches", true);
}

Tactics band_tactics(const StepSpec& spec) {
  if (auto refusal = moves_refusal(spec, 0)) return *refusal;
  const auto lower = constant_ints(spec, 1), upper = constant_ints(spec, 2);
  if (!lower || !upper || lower->size() != 1 || upper->size() != 1) return not_constant();
  if (spec.outputs[0].quant.zero_point != 0) return Refusal{"its zero is not all zero bits"};
  const Shape& shape = spec.outputs[0].shape;
  const int64_t rows = shape[shape.rank() - 2], columns = shape.back();
  const int64_t matrices = shape.elements() / std::max<int64_t>(rows * columns, 1);
  const auto bytes = static_cast<int64_t>(dtype_bytes(spec.outputs[0].dtype));
  const int threads = spec.threads;
  Tactic tactic = plain_tactic("own:band", [=, band = kernels::BandShape{matrices, rows, columns}, low = lower->front(),
                                            high = upper->front()](const StepArgs& args) {
    kernels::keep_band(bytes, band, low, high, args.src[0], args.dst[0], threads);
  });
  tactic.may_overwrite = 1;
  return std::vector<Tactic>{std::move(tactic)};
}

}  // namespace tfengine::onednn
