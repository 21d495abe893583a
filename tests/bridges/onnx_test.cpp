// SPDX-License-Identifier: Apache-2.0
// What is in the models that are written; bench/bridges.py runs them in ONNX Runtime.
#include "bridges/onnx/write.h"

#include <gtest/gtest.h>

#include <map>
#include <protozero/pbf_reader.hpp>

#include "bridges/onnx/tensors.h"
#include "ir/parser.h"
#include "ops/op.h"
#include "tfengine/convert.h"
#include "tfengine/error.h"

namespace tfengine::bridges::onnx {
namespace {

using Reader = protozero::pbf_reader;

struct Contents {
  int64_t opset = 0;
  std::map<std::string, int> ops, dtypes_of_initializers;
  std::vector<std::string> inputs, outputs;
};

std::string text_of(Reader message, uint32_t field) {
  std::string text;
  while (message.next(field)) text = message.get_string();
  return text;
}

Contents contents_of(const std::string& model) {
  Contents contents;
  for (Reader proto(model); proto.next();) {
    if (proto.tag() == 8) {
      for (Reader import = proto.get_message(); import.next(2);) contents.opset = import.get_int64();
    } else if (proto.tag() == 7) {
      for (Reader graph = proto.get_message(); graph.next();) {
        if (graph.tag() == 1) {
          ++contents.ops[text_of(graph.get_message(), 4)];
        } else if (graph.tag() == 5) {
          for (Reader tensor = graph.get_message(); tensor.next(2);) {
            ++contents.dtypes_of_initializers[std::to_string(tensor.get_int32())];
          }
        } else if (graph.tag() == 11) {
          contents.inputs.push_back(text_of(graph.get_message(), 1));
        } else if (graph.tag() == 12) {
          contents.outputs.push_back(text_of(graph.get_message(), 1));
        } else {
          graph.skip();
        }
      }
    } else {
      proto.skip();
    }
  }
  return contents;
}

Engine digits_engine(const std::string& precision, const std::string& grid) {
  const std::string folder = TFE_SOURCE_DIR "/examples/digits/";
  const Model model = Model::load(folder + "separable.pb");
  DataOptions data;
  data.batch_size = 16;
  data.feature = "image_raw";
  data.feature_shape = Shape{8, 8, 1};
  data.scale = {0.0625f, 0.0625f, 0.0625f};
  ConvertOptions options;
  options.precision = precision;
  options.int8_grid = grid;
  options.avoid_slow_int8 = false;
  options.engine.threads = 1;
  options.engine.backend = "reference";
  const Calibration calibration = calibrate(model, *open_data(folder + "data/calibration.tfrecord", data));
  if (precision == "int8") options.calibration = &calibration;
  return convert(model, options);
}

TEST(OnnxModel, HasQuantizeAndDequantizeNodes) {
  const Engine engine = digits_engine("int8", "tensorrt");
  const Contents contents = contents_of(engine.to_onnx());
  EXPECT_EQ(contents.opset, 13);
  EXPECT_EQ(contents.inputs, std::vector<std::string>{engine.inputs()[0].name});
  EXPECT_EQ(contents.outputs, std::vector<std::string>{engine.outputs()[0].name});
  const auto& ops = contents.ops;
  EXPECT_GT(ops.at("QuantizeLinear"), 4);
  // One for each tensor, and one for the weights of each layer.
  EXPECT_EQ(ops.at("DequantizeLinear"),
            ops.at("QuantizeLinear") + ops.at("Conv") + (ops.count("MatMul") ? ops.at("MatMul") : 0));
  // Channels first from the first convolution to the last: one transposition in front at most, and one behind.
  EXPECT_LE(ops.count("Transpose") ? ops.at("Transpose") : 0, 2);
  // TensorRT takes signed integers alone.
  EXPECT_EQ(contents.dtypes_of_initializers.count("2"), 0u);
  EXPECT_GT(contents_of(digits_engine("int8", "auto").to_onnx()).dtypes_of_initializers["2"], 0);
}

TEST(OnnxModel, OfAFloatEngineHasNone) {
  const Contents contents = contents_of(digits_engine("fp32", "auto").to_onnx());
  EXPECT_EQ(contents.ops.count("QuantizeLinear"), 0u);
  EXPECT_EQ(contents.dtypes_of_initializers.count("3"), 0u);
}

std::string error_of(const std::string& text) {
  ir::Graph graph = ir::parse(text);
  ops::infer_graph(graph);
  try {
    write_model(graph);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no error";
}

TEST(OnnxModel, NodesWithoutCounterpartAreNamed) {
  EXPECT_EQ(error_of(R"(graph @g(%x: f32[4,4,4,8]) {
    %shape = const s32[2] [2, 2]
    %crops = const s32[2,2] [0, 0, 0, 0]
    %y = BatchToSpaceND(%x, %shape, %crops)
    return %y
  })"),
            "[export] BatchToSpaceND 'y' cannot be written as ONNX: the op has no counterpart here");
  EXPECT_EQ(error_of(R"(graph @g(%x: f32[2,4,4,8], %w: f32[1,1,8,8]) {
    %y = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    return %y
  })"),
            "[export] Conv2D 'y' cannot be written as ONNX: its filter is computed at run time");
  EXPECT_EQ(error_of(R"(graph @g(%x: f32[2,4], %axes: s32[1]) {
    %y = Mean(%x, %axes)
    return %y
  })"),
            "[export] Mean 'y' cannot be written as ONNX: its input 1 is computed at run time, expected a constant");
}

// Names of ONNX nodes, with how often they are there, but for transpositions and the identity behind the result.
std::string written(const std::string& body, const std::string& input = "%x: f32[2,4,6,8]") {
  ir::Graph graph = ir::parse("graph @g(" + input + ") {\n" + body + "\n}");
  ops::infer_graph(graph);
  std::string text;
  for (const auto& [op, count] : contents_of(write_model(graph)).ops) {
    if (op == "Transpose" || op == "Identity") continue;
    text += (text.empty() ? "" : ", ") + op + (count > 1 ? " x" + std::to_string(count) : "");
  }
  return text;
}

// python/tests/test_onnx_ops.py compares their results.
TEST(OnnxModel, WhatMovesDataHasCounterparts) {
  const std::string slice = R"(
    %begin = const s32[4] [0, 1, 0, 2]
    %end = const s32[4] [2, 3, 0, 5]
    %strides = const s32[4] [1, 1, 2, 1]
  )";
  EXPECT_EQ(written(slice + "%y = StridedSlice(%x, %begin, %end, %strides) {end_mask=4} return %y"), "Slice");
  EXPECT_EQ(written(slice + "%y = StridedSlice(%x, %begin, %end, %strides) {end_mask=4, shrink_axis_mask=2} return %y"),
            "Slice, Squeeze");
  EXPECT_EQ(written(slice + "%y = StridedSlice(%x, %begin, %end, %strides) {end_mask=4, new_axis_mask=2} return %y"),
            "Slice, Unsqueeze");
  EXPECT_EQ(written("%b = const s32[4] [0, 1, 0, 2] %s = const s32[4] [2, 2, -1, 3] %y = Slice(%x, %b, %s) return %y"),
            "Slice");
  EXPECT_EQ(written("%a = const s32[] [3] %y, %z = Split(%a, %x) {num_split=2} return %y, %z"), "Split");
  EXPECT_EQ(
      written("%a = const s32[] [3] %s = const s32[2] [3, -1] %y, %z = SplitV(%x, %s, %a) {num_split=2} return %y, %z"),
      "Split");
  EXPECT_EQ(written("%y, %z = Unpack(%x) {num=2, axis=0} %p = Pack(%z, %y) {N=2, axis=1} return %p"),
            "Concat, Split, Squeeze x2, Unsqueeze x2");
  EXPECT_EQ(written("%y = Shape(%x) return %y"), "Cast, Shape");
  EXPECT_EQ(written("%k = const s32[] [3] %y, %z = TopKV2(%x, %k) return %y, %z"), "Cast, TopK");
  EXPECT_EQ(written("%s = const s32[2] [8, 9] %y = ResizeBilinear(%x, %s) {half_pixel_centers=true} return %y"),
            "Resize");
  EXPECT_EQ(written("%s = const s32[2] [8, 9] %y = ResizeNearestNeighbor(%x, %s) return %y"), "Resize");
  EXPECT_EQ(written("%y = SpaceToDepth(%x) {block_size=2} %z = DepthToSpace(%y) {block_size=2} return %z"),
            "DepthToSpace, SpaceToDepth");
  EXPECT_EQ(
      written("%w = const f32[8,5] uniform(1, -1.0, 1.0) %y = Einsum(%x, %w) {equation=\"abcd,de->abce\"} return %y"),
      "Einsum");
  EXPECT_EQ(written("%s = const s32[4] [2, 8, 12, 3] %w = const f32[3,3,3,8] uniform(1, -1.0, 1.0) "
                    "%y = Conv2DBackpropInput(%s, %w, %x) {strides=[1,2,2,1], padding=\"SAME\"} return %y"),
            "ConvTranspose");
}

TEST(OnnxModel, WhatComparesAndChoosesHasCounterparts) {
  const std::string integers = "%x: s32[4,5], %y: s32[4,5]";
  const auto of = [&](const std::string& op) { return written("%z = " + op + "(%x, %y) return %z", integers); };
  EXPECT_EQ(of("Less"), "Less");
  EXPECT_EQ(of("GreaterEqual"), "GreaterOrEqual");
  EXPECT_EQ(of("NotEqual"), "Equal, Not");
  EXPECT_EQ(of("FloorMod"), "Mod");
  EXPECT_EQ(of("FloorDiv"), "Div, Mod, Sub");
  EXPECT_EQ(of("Maximum"), "Max");
  EXPECT_EQ(written("%z = LogicalAnd(%x, %y) return %z", "%x: bool[4], %y: bool[4]"), "And");
  EXPECT_EQ(written("%z = Select(%c, %x, %y) return %z", "%c: bool[4], %x: f32[4,5], %y: f32[4,5]"),
            "Unsqueeze, Where");
  EXPECT_EQ(written("%z = SelectV2(%c, %x, %y) return %z", "%c: bool[4,1], %x: f32[5], %y: f32[]"), "Where");
  EXPECT_EQ(written("%a = const s32[1] [1] %z = Sum(%x, %a) {keep_dims=true} return %z"), "ReduceSum");
  EXPECT_EQ(written("%a = const s32[1] [1] %z = All(%x, %a) return %z", "%x: bool[4,5]"), "Cast x2, ReduceMin");
}

TEST(OnnxModel, ZeroPointsAreWritten) {
  const Contents contents = contents_of(write_model(ir::parse(R"(graph @g(%x: f32[2,4]) {
    %q = Quantize(%x) -> u8[2,4] quant(scale=0.1, zero_point=40)
    %y = Dequantize(%q) -> f32[2,4]
    return %y
  })")));
  EXPECT_EQ(contents.ops.at("QuantizeLinear"), 1);
  EXPECT_EQ(contents.ops.at("DequantizeLinear"), 1);
}

TEST(Permuted, MovesElements) {
  const Tensor tensor = Tensor::of<float>(DType::F32, Shape{2, 3}, {0, 1, 2, 3, 4, 5});
  const Tensor turned = permuted(tensor, {1, 0});
  EXPECT_EQ(turned.shape(), (Shape{3, 2}));
  EXPECT_EQ(std::vector<float>(turned.as<float>(), turned.as<float>() + 6), (std::vector<float>{0, 3, 1, 4, 2, 5}));
}

}  // namespace
}  // namespace tfengine::bridges::onnx
