// SPDX-License-Identifier: Apache-2.0
// A graph taken apart where shapes depend on data, so that each part can be planned when its shapes are known: a front with
// static shapes, the nodes behind it whose results' shapes only their inputs' values tell, and the rest, whose shapes are
// known once those results are there. Plain data; how it is made is passes/split_at_data.h.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace tfengine::ops {

struct Stages {
  // Where a tensor is found: input, or output of a part, by index.
  enum class From : uint8_t { Input, Front, Between, Rest };
  struct Source {
    From from = From::Front;
    int index = 0;
    bool operator==(const Source&) const = default;
  };

  Stages() = default;
  // A graph that need not be taken apart.
  Stages(ir::Graph whole) : front(std::move(whole)) {}  // NOLINT(google-explicit-constructor): it is one already
  // Whether anything stands behind the front.
  bool split() const { return !outputs.empty(); }

  ir::Graph front;    // takes all inputs of the whole graph; its outputs are those that others read
  ir::Graph between;  // nodes that read nothing of each other; empty without a split
  ir::Graph rest;     // may have to be taken apart again; without outputs where nothing stands behind `between`
  // Of Input and Front, and for the rest of Between, too.
  std::vector<Source> between_inputs, rest_inputs;
  std::vector<Source> outputs;       // of the whole graph, in order: of Front, Between and Rest
  std::vector<Shape> output_shapes;  // as far as they are known
};

}  // namespace tfengine::ops
