// SPDX-License-Identifier: Apache-2.0
// A TensorFlow model read from disk: a frozen GraphDef (.pb) or a SavedModel folder. Reading maps the files; constants
// stay views of them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tfengine/export.h"
#include "tfengine/tensor.h"

namespace tfengine {

struct LoadOptions {
  // Tensor names; empty: the placeholders and the nodes that nothing uses (GraphDef), or the signature's (SavedModel).
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  // Which MetaGraph and signature of a SavedModel.
  std::vector<std::string> tags = {"serve"};
  std::string signature_key = "serving_default";
};

// An input or output. Unknown dimensions are -1.
struct TensorSpec {
  std::string name;
  DType dtype = DType::Invalid;
  Shape shape;
};

namespace detail {
struct ModelImpl;
}

class TFE_API Model {
 public:
  // InvalidModel (file and reason) when the file is malformed; InvalidArgument when it is missing or names don't exist.
  static Model load(const std::filesystem::path& path, const LoadOptions& options = {});

  // A frozen GraphDef's bytes in memory. `owner` keeps them alive as long as constants are views of them; null: they are
  // copied. `name` is the model's, for messages. Errors as load().
  static Model from_graph_def(std::string_view bytes, std::shared_ptr<const void> owner = nullptr,
                              const LoadOptions& options = {}, const std::string& name = "graph");

  // As imported, in the graph's order.
  std::vector<TensorSpec> inputs() const;
  std::vector<TensorSpec> outputs() const;
  // (op, count), sorted by op: of the graph as imported.
  std::vector<std::pair<std::string, int>> ops() const;
  uint64_t constant_bytes() const;  // of weights and other constants
  // The graph as text after a step of the pipeline: "import", "optimize" (see docs/architecture.md). InvalidArgument
  // for another name.
  std::string dump(const std::string& after = "import") const;

  const std::shared_ptr<const detail::ModelImpl>& impl() const { return impl_; }
  explicit Model(std::shared_ptr<const detail::ModelImpl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const detail::ModelImpl> impl_;
};

}  // namespace tfengine
