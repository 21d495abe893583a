// SPDX-License-Identifier: Apache-2.0
#include "plugin/engine_file.h"

#include <cstring>

#include "base/host_memory.h"
#include "plugin/conversions.h"
#include "plugin/notices.h"
#include "tfengine/error.h"

namespace tfengine::plugin {

EngineBytes map_engine_file(tensorflow::Env* env, const std::string& path) {
  uint64_t size = 0;
  throw_if_error(env->GetFileSize(path, &size));
  // Empty files cannot be mapped; they stand for engines to be built where they are served.
  if (size == 0) return {{}, nullptr, path};
  std::unique_ptr<tensorflow::ReadOnlyMemoryRegion> region;
  throw_if_error(env->NewReadOnlyMemoryRegionFromFile(path, &region));
  std::shared_ptr<tensorflow::ReadOnlyMemoryRegion> owner = std::move(region);
  return {{static_cast<const char*>(owner->data()), owner->length()}, owner, path};
}

EngineBytes copy_engine_bytes(const std::string& bytes, const std::string& name) {
  std::shared_ptr<void> copy = host_bytes(bytes.size(), "the serialized engine of " + name);
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  return {{static_cast<const char*>(copy.get()), bytes.size()}, copy, name};
}

std::optional<Engine> read_engine(const EngineBytes& bytes, const EngineOptions& options) {
  if (bytes.bytes.empty()) return std::nullopt;
  if (!Engine::is_engine(bytes.bytes)) {
    notice_once("foreign engine",
                "'" + bytes.name +
                    "' holds an engine that tfengine cannot read (TensorRT's, most likely). Engines are "
                    "built from the native segments instead, with their calibration_data");
    return std::nullopt;
  }
  try {
    return Engine::from_bytes(bytes.bytes, bytes.owner, options, bytes.name);
  } catch (const InvalidModel& error) {
    notice_once("unreadable engine", std::string(error.what()) + ". It is built anew from the native segment");
    return std::nullopt;
  }
}

void write_engine_file(tensorflow::Env* env, const std::string& path, const Engine* engine) {
  std::unique_ptr<tensorflow::WritableFile> file;
  throw_if_error(env->NewWritableFile(path, &file));
  if (engine != nullptr) {
    engine->write([&](const void* data, size_t bytes) {
      throw_if_error(file->Append(absl::string_view(static_cast<const char*>(data), bytes)));
    });
  }
  throw_if_error(file->Close());
}

}  // namespace tfengine::plugin
