// SPDX-License-Identifier: Apache-2.0
// Random steps of ops that move elements, work on numbers of any type, along axes, or on volumes.
#include "support/step_builder.h"

namespace tfengine::testing {

namespace {

// `count` elements of any shape of ranks 1 to 4.
Shape any_shape(Random& random) {
  Shape shape;
  for (int64_t rank = random.integer(1, 4); rank > 0; --rank) shape.dims().push_back(random.integer(1, 9));
  return shape;
}

// The shape with axes left out in front, or of one element.
Shape broadcast_of(Random& random, const Shape& shape) {
  Shape other = shape;
  for (int64_t& dim : other.dims()) dim = random.chance(0.3) ? 1 : dim;
  const auto dropped = random.integer(0, static_cast<int64_t>(shape.rank()));
  other.dims().erase(other.dims().begin(), other.dims().begin() + dropped);
  return other;
}

void image_movement(StepBuilder& b, ValueId x, const Shape& shape, int64_t kind) {
  Random& random = b.random();
  const int64_t block = random.integer(2, 3);
  switch (kind) {
    case 0:
      b.node("Transpose", {x, b.integers(random.chance(0.5) ? List{0, 3, 1, 2} : List{0, 2, 1, 3})});
      return;
    case 1:
      b.node("Reshape", {x, b.integers({shape[0], -1})});
      return;
    case 2:
      b.node("ResizeNearestNeighbor", {x, b.integers({shape[1] * 2, shape[2] * 2})}, {{"half_pixel_centers", true}});
      return;
    case 3:
      b.node("Squeeze", {x}, {{"squeeze_dims", List{}}});
      return;
    case 4:
      b.node("Tile", {x, b.integers({1, random.integer(1, 3), random.integer(1, 2), random.integer(1, 3)})});
      return;
    case 5:
      b.node("ReverseV2", {x, b.integers({random.integer(0, 3)})});
      return;
    case 6:
      b.node("Roll",
             {x, b.integers({random.integer(-5, 5), random.integer(-5, 5)}), b.integers({1, random.integer(2, 3)})});
      return;
    case 7: {
      const bool reflect = random.chance(0.5);
      const int64_t most = std::min(shape[1], shape[2]) - (reflect ? 1 : 0);
      const int64_t pad = std::min<int64_t>(random.integer(0, 2), most);
      Tensor pads(DType::S32, {4, 2});
      for (const int64_t i : {2, 3, 5}) pads.mutable_as<int32_t>()[i] = static_cast<int32_t>(pad);
      b.node("MirrorPad", {x, b.tensor(pads)}, {{"mode", std::string(reflect ? "REFLECT" : "SYMMETRIC")}});
      return;
    }
    case 8: {
      Tensor pads(DType::S32, {2, 2});
      for (const int64_t axis : {0, 1}) {
        const int64_t size = shape[static_cast<size_t>(axis) + 1], before = random.integer(0, 2);
        pads.mutable_as<int32_t>()[2 * axis] = static_cast<int32_t>(before);
        pads.mutable_as<int32_t>()[2 * axis + 1] = static_cast<int32_t>((block - (size + before) % block) % block);
      }
      b.node("SpaceToBatchND", {x, b.integers({block, block}), b.tensor(pads)});
      return;
    }
    case 9:
      b.node("GatherV2", {x, b.integers({0, shape[3] - 1, random.integer(0, shape[3] - 1)}), b.integers({3}, true)},
             {{"batch_dims", int64_t{0}}});
      return;
    case 10: {
      const Tensor pads = Tensor::of<int32_t>(DType::S32, Shape{4, 2}, {0, 0, 1, 2, 0, 1, 0, 0});
      b.node("Pad", {x, b.tensor(pads)});
      return;
    }
    default:
      b.node("Unpack", {x}, {{"axis", int64_t{1}}, {"num", shape[1]}});
      return;
  }
}

}  // namespace

ir::Graph movement_step(StepBuilder& b) {
  Random& random = b.random();
  const int64_t kind = random.integer(0, 14);
  if (kind > 11) {
    // Images whose sizes are multiples of a block.
    const int64_t block = random.integer(2, 3), batch = random.integer(1, 2);
    const int64_t h = random.integer(1, 4), w = random.integer(1, 4), channels = random.integer(1, 9);
    const bool deep = kind == 13, batches = kind == 14;
    const ValueId x = b.data(deep      ? Shape{batch, h, w, channels * block * block}
                             : batches ? Shape{batch * block * block, h, w, channels}
                                       : Shape{batch, h * block, w * block, channels});
    Tensor crops(DType::S32, {2, 2});
    crops.mutable_as<int32_t>()[0] = crops.mutable_as<int32_t>()[3] = static_cast<int32_t>(random.integer(0, 1));
    if (batches)
      b.node("BatchToSpaceND", {x, b.integers({block, block}), b.tensor(crops)});
    else
      b.node(deep ? "DepthToSpace" : "SpaceToDepth", {x}, {{"block_size", block}});
    return b.finish(x);
  }
  const Shape shape = image(random, channel_count(random));
  const ValueId x = b.data(shape);
  image_movement(b, x, shape, kind);
  return b.finish(x);
}

ir::Graph typed_step(StepBuilder& b) {
  Random& random = b.random();
  const auto dtype = random.one_of<DType>(
      {DType::S32, DType::S64, DType::S16, DType::S8, DType::U8, DType::F64, DType::F16, DType::BF16, DType::F32});
  const Shape shape = any_shape(random), other = broadcast_of(random, shape);
  const auto op = random.one_of<const char*>({"Add", "Sub", "Mul", "Maximum", "Minimum", "Equal", "Less",
                                              "GreaterEqual", "SquaredDifference", "SelectV2", "Cast"});
  const ValueId x = b.number(dtype, shape), y = b.number(dtype, other);
  if (std::string_view(op) == "SelectV2")
    b.node(op, {b.number(DType::Bool, broadcast_of(random, shape)), x, y});
  else if (std::string_view(op) == "Cast")
    b.node(op, {x},
           {{"DstT", random.one_of<DType>({DType::F32, DType::S32, DType::S64, DType::U8, DType::Bool, DType::F16})}});
  else
    random.chance(0.5) ? b.node(op, {x, y}) : b.node(op, {y, x});
  return b.finish();
}

ir::Graph line_step(StepBuilder& b) {
  Random& random = b.random();
  Shape shape = any_shape(random);
  shape[shape.rank() - 1] = random.integer(1, 70);
  const auto dtype = random.one_of<DType>({DType::F32, DType::S32, DType::S64, DType::F64, DType::U8});
  const ValueId x = b.number(dtype, shape);
  const int64_t axis = random.integer(0, static_cast<int64_t>(shape.rank()) - 1);
  switch (random.integer(0, 3)) {
    case 0:
      b.node(random.chance(0.7) ? "Cumsum" : "Cumprod", {x, b.integers({axis}, true)},
             {{"exclusive", random.chance(0.5)}, {"reverse", random.chance(0.5)}});
      break;
    case 1:
      b.node(random.chance(0.5) ? "ArgMax" : "ArgMin", {x, b.integers({axis}, true)}, {{"output_type", DType::S64}});
      break;
    case 2:
      b.node("TopKV2", {x, b.integers({random.integer(0, shape.back())}, true)}, {}, 2);
      break;
    default:
      b.node(random.one_of<const char*>({"Sum", "Max", "Min", "Mean"}), {x, b.integers({axis})},
             {{"keep_dims", random.chance(0.5)}});
      break;
  }
  return b.finish();
}

ir::Graph volume_step(StepBuilder& b) {
  Random& random = b.random();
  const int64_t in = random.integer(1, 20), out = random.integer(1, 20), kernel = random.integer(1, 3);
  const int64_t stride = random.integer(1, 2);
  const auto padding = std::string(random.chance(0.5) ? "SAME" : "VALID");
  const Shape shape = {random.integer(1, 2), random.integer(3, 6), random.integer(3, 6), random.integer(3, 6), in};
  const ir::Attrs attrs = {{"strides", List{1, stride, stride, stride, 1}}, {"padding", padding}};
  if (random.chance(0.4)) {
    b.node("Conv3D", {b.data(shape), b.constant({kernel, kernel, kernel, in, out})}, attrs);
  } else if (random.chance(0.5)) {
    ir::Attrs pool = attrs;
    pool["ksize"] = List{1, kernel, kernel, kernel, 1};
    b.node(random.chance(0.5) ? "MaxPool3D" : "AvgPool3D", {b.data(shape)}, pool);
  } else {
    const int64_t size = random.integer(3, 9);
    const int64_t small = padding == "SAME" ? (size + stride - 1) / stride : (size - kernel) / stride + 1;
    b.node("Conv2DBackpropInput",
           {b.integers({1, size, size, out}), b.constant({kernel, kernel, out, in}), b.data({1, small, small, in})},
           {{"strides", List{1, stride, stride, 1}}, {"padding", padding}});
  }
  return b.finish();
}

}  // namespace tfengine::testing
