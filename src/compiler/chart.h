// SPDX-License-Identifier: Apache-2.0
// Curves over bytes as SVG, for reports and the command line.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tfengine::detail {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>>
      points;  // (bytes, y) by bytes: y holds from its bytes on, until the next point
};

struct Chart {
  std::string title, x_title, y_title;
  std::vector<Series> series;
};

// The charts beside each other, as one SVG document. Bytes are on a logarithmic axis, 0 at its left end; y begins at 0. Names may
// hold any characters.
std::string to_svg(const std::vector<Chart>& charts);

// "0", "64 KiB", "1.5 MiB".
std::string short_bytes(double bytes);

}  // namespace tfengine::detail
