// SPDX-License-Identifier: Apache-2.0
// Engines as bytes in TensorFlow's hands: asset files and the node attribute serialized_segment.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "tensorflow/core/platform/env.h"
#include "tfengine/engine.h"

namespace tfengine::plugin {

struct EngineBytes {
  std::string_view bytes;
  std::shared_ptr<const void> owner;
  std::string name;  // for messages
};

// Maps the file. Empty bytes for an empty file. Errors are StatusError with TensorFlow's status.
EngineBytes map_engine_file(tensorflow::Env* env, const std::string& path);

// The bytes in a node's attribute serialized_segment, where engines cannot use them in place: each use copies them to
// aligned memory. They lie in the node as long as that is there, so that nothing is held twice.
class NodeBytes {
 public:
  NodeBytes(const std::string& attribute, std::shared_ptr<Allocator> allocator)
      : attribute_(&attribute), allocator_(std::move(allocator)) {}
  // `name` is the node's, for messages.
  Engine::Bytes copy(const std::string& name);
  // The node goes: what still needs the bytes shares one copy from now on.
  void leave_node(const std::string& name) noexcept;

 private:
  std::mutex mutex_;
  const std::string* attribute_;
  std::shared_ptr<Allocator> allocator_;
  std::shared_ptr<const void> own_;
  size_t size_ = 0;
};

// The engine, or nothing where the bytes are none: TensorRT's, a damaged file, another version. That is told once per
// process, since an old SavedModel has many.
std::optional<Engine> read_engine(const EngineBytes& bytes, const EngineOptions& options);
// The same of a node's attribute, which is not empty.
std::optional<Engine> read_engine(const std::string& attribute, const std::shared_ptr<NodeBytes>& bytes,
                                  const EngineOptions& options, const std::string& name);
void write_engine_file(tensorflow::Env* env, const std::string& path, const Engine* engine);

}  // namespace tfengine::plugin
