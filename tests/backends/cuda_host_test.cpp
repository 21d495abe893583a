// SPDX-License-Identifier: Apache-2.0
// INT8 networks on the GPU beside the host, value by value: with the host's tensors in front of every step, so that what differs
// is that step's rounding, and as a whole, where one other rounding changes many behind it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "base/mapped_file.h"
#include "compiler/engine_impl.h"
#include "compiler/to_signed.h"
#include "ir/parser.h"
#include "ops/op.h"
#include "plan/image.h"
#include "tfengine/convert.h"
#include "tfengine/gpu.h"

namespace tfengine {
namespace {

using Values = std::map<std::string, Tensor>;

runtime::EngineConfig config_for(const std::string& device, const std::string& backend) {
  EngineOptions options;
  options.device = device;
  options.backend = backend;
  options.time_tactics = false;
  runtime::EngineConfig config = detail::engine_config(options);
  config.keep_all = true;
  config.fuse = nullptr;  // every value has to be there
  return config;
}

// Rows of a tensor as a queue's copies take them.
struct Rows {
  size_t bytes, pitch, count;
};
Rows rows_of(const plan::TensorDesc& desc) {
  if (desc.dense() || desc.bytes() == 0) return {desc.bytes(), desc.bytes(), desc.bytes() == 0 ? size_t{0} : size_t{1}};
  const size_t row = static_cast<size_t>(desc.shape.back()) * dtype_bytes(desc.dtype);
  return {row, static_cast<size_t>(desc.pixel_stride) * dtype_bytes(desc.dtype), desc.bytes() / row};
}

// Every value that a run computes, in an engine's memory wherever that is.
void watch_values(runtime::EngineCore& core, const Tensor& input,
                  const std::function<void(const ir::Node&, ir::ValueId, const plan::RunningPlan&)>& use) {
  const auto entry = core.entry({input.shape()});
  std::vector<Tensor> outputs;
  std::vector<void*> addresses;
  for (const ir::GraphOutput& out : entry->plan().graph.outputs) {
    const plan::TensorDesc& desc = entry->plan().descs[static_cast<size_t>(out.value)];
    addresses.push_back(outputs.emplace_back(desc.dtype, desc.shape).mutable_data());
  }
  const void* inputs[] = {input.data()};
  core.lease(*entry)->run_observed(inputs, addresses, [&](const plan::RunningPlan& running, int step, double) {
    if (step < 0) return;
    const plan::Plan& plan = running.plan();
    const ir::Node& node = plan.graph.node(plan.steps[static_cast<size_t>(step)].node);
    for (const ir::ValueId id : node.outputs) use(node, id, running);
  });
}

Values host_values(const ir::Graph& graph, const Tensor& input, const std::string& backend) {
  runtime::EngineCore core(graph, config_for("cpu", backend));
  Values values;
  watch_values(core, input, [&](const ir::Node&, ir::ValueId id, const plan::RunningPlan& running) {
    const plan::TensorDesc& desc = running.plan().descs[static_cast<size_t>(id)];
    Tensor tensor(desc.dtype, desc.shape);
    std::memcpy(tensor.mutable_data(), running.address(id), tensor.bytes());
    values[running.plan().graph.value(id).name] = std::move(tensor);
  });
  return values;
}

// How one value differs.
struct Difference {
  std::string op, name;
  bool floats = false;
  int64_t elements = 0, differing = 0;
  double snr_db = 0.0;
};

Difference difference(const Tensor& want, const Tensor& got) {
  Difference found;
  found.elements = want.elements();
  found.floats = want.dtype() == DType::F32;
  double signal = 0.0, noise = 1e-30;
  for (int64_t i = 0; i < want.elements(); ++i) {
    const double x = found.floats ? want.as<float>()[i] : want.as<int8_t>()[i];
    const double y = found.floats ? got.as<float>()[i] : got.as<int8_t>()[i];
    found.differing += x != y ? 1 : 0;
    signal += x * x;
    noise += (x - y) * (x - y);
  }
  found.snr_db = 10.0 * std::log10(signal / noise);
  return found;
}

// `apart`: every step finds the host's tensors.
std::vector<Difference> device_differences(const ir::Graph& graph, const Tensor& input, const Values& host,
                                           bool apart) {
  runtime::EngineCore core(graph, config_for("cuda", ""));
  std::vector<Difference> all;
  watch_values(core, input, [&](const ir::Node& node, ir::ValueId id, const plan::RunningPlan& running) {
    const plan::Plan& plan = running.plan();
    const plan::TensorDesc& desc = plan.descs[static_cast<size_t>(id)];
    const Tensor& want = host.at(plan.graph.value(id).name);
    if (desc.dtype != want.dtype() || (desc.dtype != DType::F32 && desc.dtype != DType::S8)) return;
    const auto queue = plan.device->make_queue();
    const Rows rows = rows_of(desc);
    Tensor got(desc.dtype, desc.shape);
    queue->download_rows(got.mutable_data(), running.address(id), rows.pitch, rows.bytes, rows.count);
    queue->wait();
    Difference found = difference(want, got);
    found.op = node.op;
    found.name = node.name;
    all.push_back(found);
    if (!apart) return;
    queue->upload_rows(const_cast<void*>(running.address(id)), rows.pitch, want.data(), rows.bytes, rows.count);
    queue->wait();
  });
  return all;
}

void print(const char* title, const std::vector<Difference>& all) {
  std::printf("%s\n", title);
  for (const Difference& d : all) {
    std::printf("%-14s %-44s %9lld of %9lld differ, %6.1f dB\n", d.op.c_str(), d.name.c_str(),
                static_cast<long long>(d.differing), static_cast<long long>(d.elements), d.snr_db);
  }
}

ir::Graph graph_of(const std::string& path) {
  const auto file = MappedFile::open(path);
  plan::EngineImage image = plan::read_image(path, file->data(), file->bytes(), file);
  detail::to_signed(image.graph);
  return std::move(image.graph);
}

// TFE_TEST_ENGINE=FILE.tfe, TFE_TEST_INPUT=FILE.npy: what differs in that engine, and how the host's own backends differ.
TEST(CudaBesideTheHost, PrintsWhereANetworkDiffers) {
  if (!gpu_absence().empty()) GTEST_SKIP() << gpu_absence();
  const char *path = std::getenv("TFE_TEST_ENGINE"), *input = std::getenv("TFE_TEST_INPUT");
  if (path == nullptr || input == nullptr) GTEST_SKIP() << "TFE_TEST_ENGINE and TFE_TEST_INPUT name no files";
  const ir::Graph graph = graph_of(path);
  DataOptions options;
  options.batch_size = 1;
  Batch batch;
  ASSERT_TRUE(open_data(input, options)->next(batch));
  const Tensor& image = batch[0].tensor;
  const Values host = host_values(graph, image, "");
  print("each step by itself", device_differences(graph, image, host, true));
  print("the whole network", device_differences(graph, image, host, false));
  if (std::getenv("TFE_TEST_REFERENCE") == nullptr) return;
  const Values reference = host_values(graph, image, "reference");
  std::vector<Difference> own;
  for (const auto& [name, want] : reference) {
    if (want.dtype() != DType::F32 && want.dtype() != DType::S8) continue;
    own.push_back(difference(want, host.at(name)));
    own.back().name = name;
  }
  print("the host's backend beside the reference", own);
}

// A loop around what a GPU has and what it has not, and a branch; steps around them on the GPU.
constexpr const char* kRegions = R"(
graph @net(%x: f32[4,3], %n: s32[]) {
  %zero = const s32[] [0] %start = const f32[3] [1, 2, 3]
  %in = Tanh(%x)
  %i, %sum = While(%zero, %start, %n, %in)
    graph @cond(%ci: s32[], %cs: f32[3], %cn: s32[], %cx: f32[4,3]) {
      %go = Less(%ci, %cn)
      return %go
    }
    graph @body(%bi: s32[], %bs: f32[3], %bn: s32[], %bx: f32[4,3]) {
      %axis = const s32[] [0] %one = const s32[] [1] %half = const f32[] [0.5]
      %row = GatherV2(%bx, %bi, %axis)
      %scaled = Mul(%bs, %half)
      %next = Add(%scaled, %row)
      %more = Add(%bi, %one)
      return %more, %next
    }
  %y = Sigmoid(%sum)
  return %y, %i
}
)";

TEST(CudaRegions, RunOnTheHostBetweenStepsOfTheGpu) {
  if (!gpu_absence().empty()) GTEST_SKIP() << gpu_absence();
  ir::Graph graph = ir::parse(kRegions);
  ops::infer_graph(graph);
  Tensor x(DType::F32, Shape{4, 3}), n(DType::S32, Shape{});
  for (int i = 0; i < 12; ++i) x.mutable_as<float>()[i] = 0.25f * static_cast<float>(i) - 1.0f;
  *n.mutable_as<int32_t>() = 4;
  const std::vector<Tensor> inputs = {x, n};
  const std::vector<Tensor> want = ops::evaluate_graph(graph, inputs);
  EngineOptions options;
  options.device = "cuda";
  for (const bool half : {false, true}) {
    runtime::EngineCore core(graph, detail::engine_config(options, half));
    const auto entry = core.entry({x.shape(), n.shape()});
    Tensor y(DType::F32, want[0].shape()), i(DType::S32, Shape{});
    const void* sources[] = {x.data(), n.data()};
    void* targets[] = {y.mutable_data(), i.mutable_data()};
    for (int run = 0; run < 2; ++run) core.lease(*entry)->run(sources, targets);
    EXPECT_EQ(*i.as<int32_t>(), 4);
    for (int c = 0; c < 3; ++c) EXPECT_NEAR(y.as<float>()[c], want[0].as<float>()[c], half ? 1e-3f : 1e-5f);
  }
}

class CudaBesideTheHost : public ::testing::TestWithParam<const char*> {};

TEST_P(CudaBesideTheHost, EachStepRoundsAsTheHostDoes) {
  if (!gpu_absence().empty()) GTEST_SKIP() << gpu_absence();
  const std::string folder = TFE_SOURCE_DIR "/examples/digits/";
  DataOptions data_options;
  data_options.batch_size = 64;
  data_options.feature = "image_raw";
  data_options.feature_shape = Shape{8, 8, 1};
  data_options.scale = {0.0625f, 0.0625f, 0.0625f};
  const Model model = Model::load(folder + GetParam());
  const Calibration calibration = calibrate(model, *open_data(folder + "data/calibration.tfrecord", data_options), {});
  ConvertOptions options;
  options.precision = "int8";
  options.calibration = &calibration;
  options.int8_grid = "tensorrt";
  options.avoid_slow_int8 = false;
  options.engine.time_tactics = false;
  const std::string path = ::testing::TempDir() + "cuda_host_test.tfe";
  convert(model, options).save(path);
  const ir::Graph graph = graph_of(path);
  Batch batch;
  ASSERT_TRUE(open_data(folder + "data/test.tfrecord", data_options)->next(batch));
  const Values host = host_values(graph, batch[0].tensor, "");
  const std::vector<Difference> steps = device_differences(graph, batch[0].tensor, host, true);
  print(GetParam(), steps);
  for (const Difference& step : steps) {
    if (step.floats) {
      EXPECT_GE(step.snr_db, 90.0) << step.op << " '" << step.name << "'";
      continue;
    }
    // Sums of floats in another order fall on the other side of a rounding now and then.
    constexpr double kSeldom = 1e-4;
    EXPECT_LE(static_cast<double>(step.differing), kSeldom * static_cast<double>(step.elements) + 1.0)
        << step.op << " '" << step.name << "'";
  }
}

INSTANTIATE_TEST_SUITE_P(Models, CudaBesideTheHost, ::testing::Values("cnn.pb", "separable.pb"), [](const auto& info) {
  return std::string(info.param).substr(0, std::string(info.param).find('.'));
});

}  // namespace
}  // namespace tfengine
