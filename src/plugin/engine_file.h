// SPDX-License-Identifier: Apache-2.0
// Engines as bytes in TensorFlow's hands: asset files and the node attribute serialized_segment.
#pragma once

#include <memory>
#include <optional>
#include <string>

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
// The attribute's bytes, moved to where an engine can use them in place; call it in a HostMemoryScope.
EngineBytes copy_engine_bytes(const std::string& bytes, const std::string& name);
// The engine, or nothing where the bytes are none: TensorRT's, a damaged file, another version. That is told once per
// process, since an old SavedModel has many.
std::optional<Engine> read_engine(const EngineBytes& bytes, const EngineOptions& options);
void write_engine_file(tensorflow::Env* env, const std::string& path, const Engine* engine);

}  // namespace tfengine::plugin
