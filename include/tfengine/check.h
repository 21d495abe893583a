// SPDX-License-Identifier: Apache-2.0
// Whether a model converts whole, and what keeps it from that: an answer before anything is converted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tfengine/export.h"
#include "tfengine/model.h"

namespace tfengine {

// A node that does not convert, or that no backend has a fast form of.
struct CheckedNode {
  std::string name;
  std::string op;
  bool converts = false;  // true: it runs on the reference backend, correctly and slowly
  std::string reason;
  std::string remedy;
};

struct ModelCheck {
  bool converts = false;              // all of it
  int64_t nodes = 0;                  // of the graph as imported
  std::vector<CheckedNode> findings;  // what does not convert first, each part in the graph's order
};

// Reads the model, infers its types with `batch_size` in place of an unknown first dimension (other unknown ones stay so)
// and asks the backends. Nothing is measured and no weight is packed. Errors as Model::load.
TFE_API ModelCheck check_model(const std::filesystem::path& path, const LoadOptions& options = {},
                               int64_t batch_size = 1);
// One line per op and reason, fields separated by '|': OP|CONVERTS|COUNT|REASON|REMEDY|NODES (names separated by spaces),
// behind a line of these titles.
TFE_API std::string check_csv(const ModelCheck& check);

}  // namespace tfengine
