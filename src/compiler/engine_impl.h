// SPDX-License-Identifier: Apache-2.0
// What stands behind the public Engine: the running core and what conversion wants to be known of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/engine_core.h"
#include "tfengine/engine.h"

namespace tfengine::detail {

struct EngineImpl {
  std::unique_ptr<runtime::EngineCore> core;
  std::string model_hash;
  std::string precision;
  std::string options;  // JSON
  std::string report;   // JSON
  std::vector<std::string> notices;
  std::filesystem::path timing_cache;
  mutable uint64_t file_bytes = 0;
  int64_t chunk = 0;  // a batch of more samples than this is run in chunks of so many; 0: never
};

// `half`: floats are kept and multiplied in half precision, which a GPU does.
runtime::EngineConfig engine_config(const EngineOptions& options, bool half = false);
// Whether floats are, in an engine of this precision whose other layers have `float_precision`.
bool is_half(const std::string& precision, const std::string& float_precision);
// The same from the options (JSON) of an engine file; 0 where they have none.
int64_t chunk_of(const std::string& options);
// The plan for a run with these shapes, made if need be; `to_run`: one that is made takes the memory of a call.
std::shared_ptr<runtime::ShapeEntry> entry_for(const EngineImpl& impl, const std::vector<Shape>& given,
                                               bool to_run = false);
// The same, empty: the latest, or one for the default shapes when there is none.
std::shared_ptr<runtime::ShapeEntry> entry_or_default(const EngineImpl& impl, const std::vector<Shape>& shapes);
// The engine that the bytes hold. `packed`: called when weights were packed from them.
Engine engine_of(const Engine::Bytes& bytes, const EngineOptions& options, const std::string& name,
                 std::function<void()> packed);
// Writes what was measured, when a path was given and something is new.
void save_timings(const EngineImpl& impl);

}  // namespace tfengine::detail
