// SPDX-License-Identifier: Apache-2.0
// Tests of passes: text IR in, nodes as text out, and in between the proof that the numbers stayed the same.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "passes/pass.h"

namespace tfengine::passes {

struct NamedPass {
  std::string_view name;
  PassFn fn;
};

struct Rewritten {
  ir::Graph graph;
  std::vector<std::string> notes;
  int rewrites = 0;
  std::string nodes;  // one line per node in order, without types: "%c = Conv2D(%x, %w) {...} epilogue(...)"
};

ir::Graph parse_and_infer(std::string_view text);
// Runs the passes on the graph, and expects its outputs for random inputs to stay within 1e-4 of their range.
Rewritten rewrite(std::string_view text, const std::vector<NamedPass>& passes);
Rewritten rewrite_all(std::string_view text);  // the whole pipeline

// Runs the pass on the graph, and expects its outputs for random inputs to stay within `tolerance` of their range, and the ops
// `left` in order. Gives the graph then.
ir::Graph expect_rewrite(ir::Graph before, PassFn pass, double tolerance, std::string_view left);

std::string nodes_text(const ir::Graph& graph);
std::string ops_left(const ir::Graph& graph);  // in order, with blanks between
std::map<std::string, int> op_histogram(const ir::Graph& graph);

// Random tensors for the graph's inputs, unknown dimensions as 2; or for given shapes.
std::vector<Tensor> random_inputs(const ir::Graph& graph, uint64_t seed, const std::vector<Shape>& shapes = {});
// Outputs by order; F32 compared within `tolerance` of the largest magnitude of the expected output.
void expect_same_outputs(const std::vector<Tensor>& expected, const std::vector<Tensor>& actual, double tolerance,
                         const std::string& what);

}  // namespace tfengine::passes
