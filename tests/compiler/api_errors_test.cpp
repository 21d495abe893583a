// SPDX-License-Identifier: Apache-2.0
// Misuse of the public API, each with its message.
#include <gtest/gtest.h>

#include "tfengine/convert.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

const std::string kModel = TFE_SOURCE_DIR "/examples/digits/cnn.pb";

template <typename E, typename F>
std::string message_of(F&& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

const Engine& engine() {
  static const Engine instance = [] {
    ConvertOptions options;
    options.engine.threads = 1;
    return convert(Model::load(kModel), options);
  }();
  return instance;
}

std::string run_error(std::vector<NamedTensor> inputs) {
  return message_of<InvalidArgument>([&] { engine().run(inputs); });
}

std::string convert_error(const ConvertOptions& options) {
  return message_of<InvalidArgument>([&] { convert(Model::load(kModel), options); });
}

TEST(ApiErrors, Inputs) {
  const Tensor good(DType::F32, Shape{1, 8, 8, 1});
  EXPECT_EQ(run_error({}), "input 'image' is missing; the engine has 'image'");
  EXPECT_EQ(run_error({{"picture", good}}), "input 'picture' does not exist; the engine has 'image'");
  EXPECT_EQ(run_error({{"image", good}, {"image:0", good}}), "input 'image' is given twice");
  EXPECT_EQ(run_error({{"image", good}, {"", good}}), "input 'image' is given twice");
  EXPECT_EQ(run_error({{"image", Tensor(DType::S32, Shape{1, 8, 8, 1})}}),
            "input 'image': got int32, expected float32");
  EXPECT_EQ(run_error({{"image", Tensor(DType::F32, Shape{1, 8, 8})}}),
            "input 'image': got shape [1,8,8], expected [?,8,8,1]");
}

TEST(ApiErrors, Options) {
  ConvertOptions options;
  options.precision = "int4";
  EXPECT_EQ(convert_error(options), "precision 'int4' is unknown, expected fp32, fp16, bf16 or int8");
  options.precision = "INT8";
  EXPECT_EQ(convert_error(options),
            "precision int8 needs ranges: give calibration data, or a model with quantization nodes");
  options.precision = "fp32";
  options.engine.backend = "cuda";
  EXPECT_EQ(convert_error(options), "backend 'cuda': tfengine was built without CUDA");
  options.engine.backend = "tpu";
  EXPECT_EQ(convert_error(options), "backend 'tpu' is unknown, expected 'onednn', 'reference' or 'cuda'");
  options.engine.backend = "";
  options.engine.threads = -1;
  EXPECT_EQ(convert_error(options), "threads: got -1, expected 0 (all cores) to 1024");
  options.engine.threads = 1;
  options.nodes_denylist = {"no_such_node"};
  EXPECT_NE(convert_error(options).find("nodes_denylist: the model has no node no_such_node"), std::string::npos);
}

TEST(ApiErrors, DenylistedNodesThatReadingRemovedAreNoted) {
  ConvertOptions options;
  options.engine.threads = 1;
  options.nodes_denylist = {"Identity"};
  const std::string report = convert(Model::load(kModel), options).report_json();
  EXPECT_NE(
      report.find("nodes_denylist: Identity 'Identity' has no effect: nothing of it is left once the model is read"),
      std::string::npos)
      << report;
}

TEST(ApiErrors, DenylistedNodesRunOnTheReferenceBackend) {
  const Model model = Model::load(kModel);
  std::string name;
  const std::string dump = model.dump();
  const auto at = dump.find("= MaxPool(");
  if (at != std::string::npos) {
    const auto start = dump.rfind('%', at) + 1;
    name = dump.substr(start, dump.find(' ', start) - start);
  } else {
    const auto mul = dump.find("= MatMul(");
    ASSERT_NE(mul, std::string::npos);
    const auto start = dump.rfind('%', mul) + 1;
    name = dump.substr(start, dump.find(' ', start) - start);
  }
  ConvertOptions options;
  options.engine.threads = 1;
  options.nodes_denylist = {name};
  const Engine denied = convert(model, options);
  Tensor input(DType::F32, Shape{1, 8, 8, 1});
  bool found = false;
  for (const LayerProfile& layer : denied.profile({{"", input}}, 1)) {
    if (layer.name == name) {
      found = true;
      EXPECT_EQ(layer.backend, "reference");
    }
  }
  EXPECT_TRUE(found) << name;
  const Tensor a = denied.run({{"", input}})[0].tensor, b = engine().run({{"", input}})[0].tensor;
  for (int64_t i = 0; i < a.elements(); ++i) EXPECT_NEAR(a.as<float>()[i], b.as<float>()[i], 1e-5);
}

}  // namespace
}  // namespace tfengine
