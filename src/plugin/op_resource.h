// SPDX-License-Identifier: Apache-2.0
// What operations of one name share on a device, as TF-TRT's TRTEngineCacheResource: engines, calibration, engine files that
// were loaded. Two graphs in one process may use one name for different segments (or the same with and without a calibration
// table): each kind has an OpEngine of its own, so that none gets another's engine.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "plugin/engine_file.h"
#include "plugin/op_engine.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/resource_base.h"
#include "tensorflow/core/framework/resource_mgr.h"

namespace tfengine::plugin {

inline constexpr char kContainer[] = "TF-TRT";

class OpResource : public tensorflow::ResourceBase {
 public:
  explicit OpResource(std::string name) : name_(std::move(name)) {}

  std::string DebugString() const override;
  int64_t MemoryUsed() const override;

  // The OpEngine of operations with this configuration; made, with an engine file that fits, at the first call.
  std::shared_ptr<OpEngine> engine_for(const OpConfig& config, const std::function<SegmentGraph()>& segment,
                                       const OpPlace& place);
  void attach(const OpConfig& config, const std::shared_ptr<OpEngine>& engine);
  // The one that ran last; null before the first.
  std::shared_ptr<OpEngine> latest() const;
  void touch(const std::shared_ptr<OpEngine>& engine);
  // An engine file to be taken by the operation that it was made for, now or at its first call.
  void add_file(EngineBytes file);
  const std::string& name() const { return name_; }

 private:
  const std::string name_;
  mutable std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<OpEngine>>> engines_;  // by configuration, latest first
  std::vector<EngineBytes> files_;
};

// Names of operations inside functions come with the names of the calls around them.
std::string canonical_name(const std::string& node_name);
std::shared_ptr<OpResource> find_or_make_resource(tensorflow::ResourceMgr* manager, const std::string& name);
// NotFound, saying what to do, when no operation of that name ran.
std::shared_ptr<OpResource> find_resource(tensorflow::ResourceMgr* manager, const std::string& name);

}  // namespace tfengine::plugin
