// SPDX-License-Identifier: Apache-2.0
// The archives of tests/golden/ops: per op, cases with a graph, its inputs and what TensorFlow computed.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "tfengine/tensor.h"

namespace tfengine::testing {

struct OpCase {
  std::string graph;  // a GraphDef with outputs out_0, out_1 ...
  std::map<std::string, Tensor> inputs;
  std::vector<Tensor> expected;
};

// Names of the archives, which are those of ops, sorted.
std::vector<std::string> op_archives();
// The cases of an archive by name.
std::map<std::string, OpCase> op_cases(const std::string& archive);
ir::Graph import_case(const OpCase& one);
// The case's inputs in the graph's order.
std::vector<Tensor> inputs_of(const OpCase& one, const ir::Graph& graph);

}  // namespace tfengine::testing
