// SPDX-License-Identifier: Apache-2.0
// The benchmark's Keras applications import completely, where bench/models.py has written them.
#include <gtest/gtest.h>

#include "ir/verifier.h"
#include "ops/op.h"
#include "tfgraph/read.h"

namespace tfengine::tfgraph {
namespace {

TEST(KerasApplications, ImportWithKnownOpsAndShapes) {
  const std::filesystem::path folder = std::filesystem::path(TFE_SOURCE_DIR) / "build/bench/models";
  std::vector<std::filesystem::path> models;
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".pb") models.push_back(entry.path());
    }
  }
  if (models.empty()) GTEST_SKIP() << "no models in " << folder << "; bench/models.py writes them";
  for (const auto& model : models) {
    ImportReport report;
    ir::Graph graph = read_model(model, {}, &report);
    ir::verify(graph);
    for (const std::string& note : report.notes) ADD_FAILURE() << model << ": " << note;
    ASSERT_EQ(graph.inputs.size(), 1u) << model;
    ASSERT_EQ(graph.outputs.size(), 1u) << model;
    EXPECT_EQ(graph.outputs[0].name, "Identity");
    ops::infer_graph(graph);
    const ir::Value& out = graph.value(graph.outputs[0].value);
    EXPECT_EQ(out.dtype, DType::F32) << model;
    EXPECT_GE(out.shape.rank(), 2u) << model << ": " << out.shape.str();
  }
}

}  // namespace
}  // namespace tfengine::tfgraph
