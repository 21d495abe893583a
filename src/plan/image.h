// SPDX-License-Identifier: Apache-2.0
// An engine as bytes (.tfe): a 64-byte header, a FlatBuffer (engine.fbs; a large one deflated), and the constants, 64-byte aligned so that
// they are used in place from a mapped file. Reading trusts nothing: every index, offset and length is checked.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/planner.h"

namespace tfengine::plan {

// The tactics of one plan.
struct PlanRecord {
  int threads = 1;
  std::vector<Shape> input_shapes;
  std::map<std::string, ChosenTactic> tactics;
  std::vector<RejectedTactic> rejected;
};

struct EngineImage {
  ir::Graph graph;
  std::string model_hash;  // of the source model's bytes
  std::string precision;
  std::string options;  // conversion options, JSON
  std::string report;   // what conversion decided, JSON
  std::string cpu;      // cpu_key() where the tactics were chosen
  int threads = 0;
  std::vector<PlanRecord> plans;
};

// The file's pieces in order; the pieces of constants are views of the graph's tensors.
struct ImageBytes {
  std::vector<std::byte> head;  // header and FlatBuffer, padded
  struct Piece {
    const void* data;
    size_t bytes;
    size_t padding;  // zero bytes that follow
  };
  std::vector<Piece> constants;
  uint64_t total_bytes = 0;
};
ImageBytes write_image(const EngineImage& image);

// `file` names the source in messages. Constants are views of `data`, kept alive by `owner`. InvalidModel when the bytes
// are no engine, are truncated, or are of another version.
EngineImage read_image(const std::string& file, const std::byte* data, size_t bytes, std::shared_ptr<const void> owner);

}  // namespace tfengine::plan
