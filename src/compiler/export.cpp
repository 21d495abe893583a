// SPDX-License-Identifier: Apache-2.0
// Engines written for other programs.
#include "bridges/fake_quant_graph.h"
#include "bridges/onnx/write.h"
#include "compiler/engine_impl.h"

namespace tfengine {

std::string Engine::to_onnx() const { return bridges::onnx::write_model(impl_->core->whole_graph()); }

std::string Engine::to_tensorflow() const { return bridges::write_fake_quant_graph(impl_->core->whole_graph()); }

}  // namespace tfengine
