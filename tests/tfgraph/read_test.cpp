// SPDX-License-Identifier: Apache-2.0
// Models that TensorFlow wrote (make_models.py) give TensorFlow's outputs when the imported graph is evaluated.
#include "tfgraph/read.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "ir/verifier.h"
#include "ops/op.h"
#include "tfengine/data.h"

namespace tfengine::tfgraph {
namespace {

const std::filesystem::path kData = std::filesystem::path(TFE_SOURCE_DIR) / "tests/tfgraph/data";

Tensor array(const std::string& model, const std::string& key) {
  return read_npy(kData / (model + "." + key + ".npy"));
}

void expect_near(const Tensor& got, const Tensor& expected, const std::string& what) {
  ASSERT_EQ(got.dtype(), expected.dtype()) << what;
  ASSERT_EQ(got.shape(), expected.shape()) << what;
  for (int64_t i = 0; i < expected.elements(); ++i) {
    if (expected.dtype() == DType::S32) ASSERT_EQ(got.as<int32_t>()[i], expected.as<int32_t>()[i]) << what;
    // A few float additions in another order.
    else
      ASSERT_NEAR(got.as<float>()[i], expected.as<float>()[i], 2e-5) << what << " at " << i;
  }
}

struct Case {
  const char* name;
  const char* file;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  int functions;
};

class ReadModel : public testing::TestWithParam<Case> {};

TEST_P(ReadModel, GivesTensorFlowsOutputs) {
  const Case& model = GetParam();
  ImportReport report;
  ir::Graph graph = read_model(kData / model.file, {}, &report);
  ir::verify(graph);
  EXPECT_TRUE(report.notes.empty()) << report.notes[0];
  EXPECT_EQ(report.functions_inlined > 0, model.functions > 0);
  std::vector<std::string> inputs;
  for (const ir::ValueId id : graph.inputs) inputs.push_back(graph.value(id).name);
  EXPECT_EQ(inputs, model.inputs);
  ops::infer_graph(graph);
  const std::vector<Tensor> outputs = ops::evaluate_graph(graph, std::vector<Tensor>{array(model.name, "input")});
  ASSERT_EQ(outputs.size(), model.outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    EXPECT_EQ(graph.outputs[i].name, model.outputs[i]);
    expect_near(outputs[i], array(model.name, model.outputs[i]), model.outputs[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, ReadModel,
    testing::Values(Case{"functions", "functions", {"image"}, {"indices", "second", "total", "values"}, 1},
                    Case{"keras", "keras", {"picture"}, {"output_0"}, 1},
                    Case{"keras", "keras/saved_model.pb", {"picture"}, {"output_0"}, 1},
                    Case{"tf1", "tf1", {"x"}, {"scores"}, 0}, Case{"frozen", "frozen.pb", {"x"}, {"first", "last"}, 0},
                    Case{"nchw", "nchw.pb", {"x"}, {"mean"}, 0}),
    [](const auto& info) { return std::string(info.param.name) + std::to_string(info.index); });

TEST(ReadModel, LargeConstantsAreViewsOfTheFileWhereAligned) {
  ImportReport report;
  const auto digits = std::filesystem::path(TFE_SOURCE_DIR) / "examples" / "digits" / "separable_saved_model";
  const ir::Graph graph = read_model(digits, {}, &report);
  // The data file of a SavedModel holds tensors one behind another, so float32 stays aligned. Biases and the like are small.
  EXPECT_GT(report.viewed_bytes, 900'000u);
  EXPECT_LT(report.copied_bytes, 50'000u);
}

TEST(ReadModel, SmallConstantsDoNotKeepTheFile) {
  ImportReport report;
  const ir::Graph graph = read_model(kData / "keras", {}, &report);
  EXPECT_EQ(report.viewed_bytes, 0u);
  EXPECT_GT(report.copied_bytes, 400u);
}

double as_double(const Tensor& tensor, int64_t i) {
  switch (tensor.dtype()) {
    case DType::F32:
      return tensor.as<float>()[i];
    case DType::F64:
      return tensor.as<double>()[i];
    case DType::F16:
      return std::ldexp(1.0 + (tensor.as<uint16_t>()[i] & 1023) / 1024.0, (tensor.as<uint16_t>()[i] >> 10) - 15);
    case DType::BF16:
      return std::bit_cast<float>(static_cast<uint32_t>(tensor.as<uint16_t>()[i]) << 16);
    case DType::S16:
      return tensor.as<int16_t>()[i];
    case DType::U16:
      return tensor.as<uint16_t>()[i];
    case DType::S32:
      return tensor.as<int32_t>()[i];
    case DType::U32:
      return tensor.as<uint32_t>()[i];
    case DType::S64:
      return static_cast<double>(tensor.as<int64_t>()[i]);
    case DType::U64:
      return static_cast<double>(tensor.as<uint64_t>()[i]);
    default:
      return tensor.as<uint8_t>()[i];
  }
}

TEST(ReadModel, ConstantsOfEveryType) {
  const DType dtypes[] = {DType::F32, DType::F64, DType::F16, DType::BF16, DType::S8,  DType::U8,  DType::S16,
                          DType::U16, DType::S32, DType::U32, DType::S64,  DType::U64, DType::Bool};
  for (const DType dtype : dtypes) {
    const std::string name(dtype_name(dtype));
    ImportOptions options;
    options.outputs = {name + "_bytes:0", name + "_splat", name + "_scalar", name + "_empty"};
    const ir::Graph graph = read_model(kData / "constants.pb", options);
    std::vector<Tensor> constants;
    for (const ir::GraphOutput& out : graph.outputs) constants.push_back(graph.value(out.value).constant);
    EXPECT_EQ(graph.outputs[0].name, name + "_bytes");
    for (const Tensor& constant : constants) EXPECT_EQ(constant.dtype(), dtype) << name;
    EXPECT_EQ(constants[0].shape(), (Shape{2, 2})) << name;
    EXPECT_EQ(as_double(constants[0], 0), 1) << name;
    EXPECT_EQ(as_double(constants[0], 2), dtype == DType::Bool ? 1 : 3) << name;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(as_double(constants[1], i), 1) << name;
    EXPECT_EQ(constants[1].shape(), Shape{3}) << name;
    EXPECT_EQ(as_double(constants[2], 0), 1) << name;
    EXPECT_EQ(constants[3].shape(), (Shape{0, 2})) << name;
  }
}

TEST(ReadModel, ListedConstantsRepeatTheirLastValueAndStringsKeepTheirShape) {
  ImportOptions options;
  options.outputs = {"lists", "text"};
  const ir::Graph graph = read_model(kData / "constants.pb", options);
  const float* values = graph.value(graph.outputs[0].value).constant.as<float>();
  EXPECT_EQ(std::vector<float>(values, values + 5), (std::vector<float>{1.5f, 2.5f, 2.5f, 2.5f, 2.5f}));
  const Tensor& text = graph.value(graph.outputs[1].value).constant;
  EXPECT_EQ(text.dtype(), DType::String);
  EXPECT_EQ(text.shape(), Shape{2});
}

TEST(SummarizeModel, SaysWhatIsInIt) {
  const ModelSummary saved = summarize_model(kData / "functions");
  ASSERT_EQ(saved.graphs.size(), 1u);
  EXPECT_TRUE(saved.saved_model);
  EXPECT_EQ(saved.graphs[0].tags, std::vector<std::string>{"serve"});
  ASSERT_EQ(saved.graphs[0].signatures.size(), 2u);
  EXPECT_EQ(saved.graphs[0].signatures[0].key, "double");
  const SignatureSummary& serving = saved.graphs[0].signatures[1];
  ASSERT_EQ(serving.inputs.size(), 1u);
  EXPECT_EQ(serving.inputs[0].name, "image");
  EXPECT_EQ(serving.inputs[0].tensor, "serving_default_image:0");
  EXPECT_EQ(serving.inputs[0].shape.str(), "[?,4,4,2]");
  EXPECT_EQ(serving.outputs[3].dtype, DType::F32);
  EXPECT_EQ(saved.graphs[0].ops.at("Conv2D"), 2);  // `inner` was traced for two input shapes

  const ModelSummary frozen = summarize_model(kData / "frozen.pb");
  ASSERT_EQ(frozen.graphs.size(), 1u);
  EXPECT_FALSE(frozen.saved_model);
  EXPECT_EQ(frozen.graphs[0].signatures[0].outputs.size(), 2u);
  EXPECT_EQ(frozen.graphs[0].ops.at("Split"), 1);
}

}  // namespace
}  // namespace tfengine::tfgraph
