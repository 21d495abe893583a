// SPDX-License-Identifier: Apache-2.0
// The ops that models may hold: what docs/ops.md is made of.
#pragma once

#include <string>
#include <vector>

#include "tfengine/export.h"

namespace tfengine {

struct OpInfo {
  std::string name;                  // TensorFlow's
  std::vector<std::string> aliases;  // other TensorFlow ops that become it
  std::string types;                 // of its data: "float32 int32 ..."
  std::string ranks;                 // of its data: "0-8", "4"
  std::vector<std::string>
      attributes;                     // that change what it computes; types and numbers of inputs follow from the graph
  std::string int8;                   // what it does with INT8 tensors, in a word or two
  std::vector<std::string> backends;  // that run it, best first
  std::string limits;                 // empty: as TensorFlow has it
  bool own = false;                   // no op of TensorFlow: what rewrites make of several nodes
};

// Sorted by name, TensorFlow's ops before tfengine's own.
TFE_API std::vector<OpInfo> supported_ops();
// The same as Markdown: the text of docs/ops.md.
TFE_API std::string ops_markdown();

}  // namespace tfengine
