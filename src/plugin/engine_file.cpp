// SPDX-License-Identifier: Apache-2.0
#include "plugin/engine_file.h"

#include <cstring>

#include "base/check.h"
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

Engine::Bytes NodeBytes::copy(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (own_ != nullptr) return {{static_cast<const char*>(own_.get()), size_}, own_};
  if (attribute_ == nullptr) {
    fail<BackendFailure>("the serialized engine of {} went with its node, as there was no memory for a copy", name);
  }
  const HostMemoryScope memory(allocator_);
  std::shared_ptr<void> copied =
      host_bytes(attribute_->size(), "the serialized engine of " + name, HostBytes::Uninitialized);
  std::memcpy(copied.get(), attribute_->data(), attribute_->size());
  return {{static_cast<const char*>(copied.get()), attribute_->size()}, copied};
}

void NodeBytes::leave_node(const std::string& name) noexcept {
  try {
    Engine::Bytes last = copy(name);
    const std::lock_guard lock(mutex_);
    size_ = last.text.size();
    own_ = std::move(last.owner);
  } catch (const std::exception&) {
    const std::lock_guard lock(mutex_);
    attribute_ = nullptr;  // who asks is told so
  }
}

namespace {

template <typename F>
std::optional<Engine> read(std::string_view bytes, const std::string& name, F&& make) {
  if (bytes.empty()) return std::nullopt;
  if (!Engine::is_engine(bytes)) {
    notice_once("foreign engine", "'" + name +
                                      "' holds an engine that tfengine cannot read (TensorRT's, most likely). Engines "
                                      "are built from the native segments instead, with their calibration_data");
    return std::nullopt;
  }
  try {
    return make();
  } catch (const InvalidModel& error) {
    notice_once("unreadable engine", std::string(error.what()) + ". It is built anew from the native segment");
    return std::nullopt;
  }
}

}  // namespace

std::optional<Engine> read_engine(const EngineBytes& bytes, const EngineOptions& options) {
  return read(bytes.bytes, bytes.name,
              [&] { return Engine::from_bytes(bytes.bytes, bytes.owner, options, bytes.name); });
}

std::optional<Engine> read_engine(const std::string& attribute, const std::shared_ptr<NodeBytes>& bytes,
                                  const EngineOptions& options, const std::string& name) {
  return read(attribute, name,
              [&] { return Engine::from_source([bytes, name] { return bytes->copy(name); }, options, name); });
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
