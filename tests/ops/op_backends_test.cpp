// SPDX-License-Identifier: Apache-2.0
// Every tactic that a backend has for the cases of tests/golden/ops, which are all ops over their types, ranks and
// attributes, against the oracle.
#include <gtest/gtest.h>

#include <string>

#include "backends/list.h"
#include "support/conformance.h"
#include "support/op_archives.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

class OpBackends : public ::testing::TestWithParam<std::string> {};

TEST_P(OpBackends, AgreeWithTheOracle) {
  const plan::Backend& backend = *backends_by_name("onednn").front();
  int tactics = 0;
  std::string refusal = "its cases have shapes that depend on data";
  for (const auto& [name, one] : testing::op_cases(GetParam())) {
    SCOPED_TRACE(name);
    const ir::Graph graph = testing::import_case(one);
    for (const int threads : {1, 2}) {
      testing::Conformance result;
      try {
        result = testing::run_conformance(backend, graph, testing::inputs_of(one, graph), threads);
      } catch (const InvalidModel&) {
        continue;  // no plan has shapes that depend on data
      }
      tactics += result.tactics;
      if (!result.refusals.empty()) refusal = result.refusals.front();
      for (const std::string& failure : result.failures) ADD_FAILURE() << failure;
    }
  }
  if (tactics == 0) GTEST_SKIP() << "refused: " << refusal;
}

INSTANTIATE_TEST_SUITE_P(All, OpBackends, ::testing::ValuesIn(testing::op_archives()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace tfengine
