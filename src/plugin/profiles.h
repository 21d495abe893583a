// SPDX-License-Identifier: Apache-2.0
// TF-TRT's optimization profiles: for which input shapes an engine is meant, once build() has decided that. Plans are made
// for exact shapes in any case; profiles say which shapes may have one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tfengine/tensor.h"

namespace tfengine::plugin {

class Profiles {
 public:
  Profiles() = default;
  // Profiles behind ";", inputs behind "|", dimensions behind ",", each a number or a range: "1-32,8,8,1|4;64,8,8,1|4".
  // InvalidArgument when it is malformed.
  static Profiles parse(std::string_view text);

  // No profile at all: every shape is welcome.
  bool empty() const { return profiles_.empty(); }
  // Whether one of them holds the shapes of all inputs.
  bool hold(const std::vector<Shape>& shapes) const;

 private:
  struct Range {
    int64_t least = 0, most = 0;
  };
  using InputRanges = std::vector<Range>;
  static InputRanges parse_input(std::string_view text, std::string_view whole);
  std::vector<std::vector<InputRanges>> profiles_;
};

}  // namespace tfengine::plugin
