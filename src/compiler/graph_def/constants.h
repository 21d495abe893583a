// SPDX-License-Identifier: Apache-2.0
// Large constants that more than one place of a converted graph needs: each is written once, as a function without
// arguments that the places call.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/graph_def/segment_model.h"

namespace tfengine::graphdef {

class SharedConstants {
 public:
  // `in_main`: by node, what the main graph keeps. Functions are called `prefix`0, `prefix`1, ...
  SharedConstants(const GraphView& view, const std::vector<Segment>& segments, const std::vector<bool>& in_main,
                  const std::string& prefix);

  bool holds(int node) const { return names_.count(node) > 0; }
  // The node that stands for constant `node`, with its name.
  std::string call(int node, const std::vector<std::string>& inputs) const;
  const std::vector<std::string>& functions() const { return functions_; }
  uint64_t bytes() const { return bytes_; }

 private:
  const GraphView& view_;
  std::map<int, std::string> names_;
  std::vector<std::string> functions_;
  uint64_t bytes_ = 0;
};

}  // namespace tfengine::graphdef
