// SPDX-License-Identifier: Apache-2.0
#include "plugin/op_resource.h"

#include <algorithm>

#include "plugin/conversions.h"
#include "plugin/notices.h"

namespace tfengine::plugin {

namespace tf = tensorflow;

namespace {

std::string key_of(const OpConfig& config) {
  return absl::StrCat(config.tag, "|", config.precision, "|", config.max_workspace_size_bytes, "|",
                      config.maximum_cached_engines, "|", config.threads, "|", config.calibrate, "|", config.calibrator,
                      "|", config.percentile, "|", config.strict_ranges, "|", config.calibration_table, "|",
                      config.channel_means);
}

// True if the engine took it.
bool offer(const EngineBytes& file, OpEngine& engine) {
  std::optional<Engine> read = read_engine(file, engine.engine_options());
  return read && engine.adopt(std::move(*read));
}

std::shared_ptr<OpResource> share(OpResource* referenced) {
  return {referenced, [](OpResource* resource) { resource->Unref(); }};
}

}  // namespace

std::string OpResource::DebugString() const { return "tfengine engines of " + name_; }

int64_t OpResource::MemoryUsed() const {
  const std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& [key, engine] : engines_) bytes += engine->allocated_bytes();
  return static_cast<int64_t>(bytes);
}

std::shared_ptr<OpEngine> OpResource::engine_for(const OpConfig& config, const std::function<SegmentGraph()>& segment,
                                                 const OpPlace& place) {
  const std::string key = key_of(config);
  const std::lock_guard lock(mutex_);
  for (const auto& [known, engine] : engines_) {
    if (known == key) return engine;
  }
  auto engine = std::make_shared<OpEngine>(config, segment, place);
  for (const EngineBytes& file : files_) {
    if (offer(file, *engine)) break;
    notice_once("other engine", "'" + file.name + "' holds an engine of another segment than that of '" + config.name +
                                    "': it is built anew");
  }
  engines_.emplace_front(key, engine);
  return engine;
}

std::shared_ptr<OpEngine> OpResource::latest() const {
  const std::lock_guard lock(mutex_);
  return engines_.empty() ? nullptr : engines_.front().second;
}

void OpResource::touch(const std::shared_ptr<OpEngine>& engine) {
  const std::lock_guard lock(mutex_);
  const auto at = std::find_if(engines_.begin(), engines_.end(), [&](const auto& e) { return e.second == engine; });
  if (at != engines_.end()) engines_.splice(engines_.begin(), engines_, at);
}

void OpResource::attach(const OpConfig& config, const std::shared_ptr<OpEngine>& engine) {
  const std::string key = key_of(config);
  const std::lock_guard lock(mutex_);
  for (const auto& [known, there] : engines_) {
    if (known == key) return;
  }
  engines_.emplace_front(key, engine);
}

void OpResource::add_file(EngineBytes file) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, engine] : engines_) {
    if (!engine->engine()) offer(file, *engine);
  }
  files_.push_back(std::move(file));
}

std::string canonical_name(const std::string& node_name) {
  // Where Grappler inlines the branch of a functional If, it appends the If's name, which may have slashes of its own.
  const size_t engine = node_name.rfind("TRTEngineOp_");
  const std::string name =
      node_name.substr(0, node_name.find("_tfg_inlined_", engine == std::string::npos ? 0 : engine));
  return name.substr(name.rfind('/') + 1);
}

std::shared_ptr<OpResource> find_or_make_resource(tf::ResourceMgr* manager, const std::string& name) {
  OpResource* resource = nullptr;
  throw_if_error(manager->LookupOrCreate<OpResource>(kContainer, name, &resource, [&](OpResource** made) {
    *made = new OpResource(name);
    return absl::OkStatus();
  }));
  return share(resource);
}

std::shared_ptr<OpResource> find_resource(tf::ResourceMgr* manager, const std::string& name) {
  OpResource* resource = nullptr;
  if (!manager->Lookup<OpResource>(kContainer, name, &resource).ok()) {
    throw StatusError(absl::NotFoundError("no engine of the name '" + name +
                                          "' on this device: no TRTEngineOp of that name was run or loaded here"));
  }
  return share(resource);
}

}  // namespace tfengine::plugin
