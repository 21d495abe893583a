// SPDX-License-Identifier: Apache-2.0
// The native segment of a TRTEngineOp, a function of TensorFlow's library, as a GraphDef that tfengine reads.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "plugin/op_engine.h"
#include "tensorflow/core/framework/function.h"
#include "tensorflow/core/framework/partial_tensor_shape.h"

namespace tfengine::plugin {

struct SegmentSignature {
  std::string function;
  tensorflow::DataTypeVector inputs, outputs;
  std::vector<tensorflow::PartialTensorShape> input_shapes;
};

// Gives the graph whenever it is asked. It shares TensorFlow's own function records, and large constants stay where they are
// in those, so that no weight is there twice. StatusError when the library lacks the function.
std::function<SegmentGraph()> segment_source(const tensorflow::FunctionLibraryDefinition& library,
                                             const SegmentSignature& signature);

// A fingerprint of the function: nodes, operations, edges, and the first bytes of each constant. It does not depend on names
// that loading a SavedModel changes.
std::string segment_fingerprint(const tensorflow::FunctionLibraryDefinition& library, const std::string& function);

}  // namespace tfengine::plugin
