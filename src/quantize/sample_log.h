// SPDX-License-Identifier: Apache-2.0
// What calibration remembers of single samples: how far each tensor went, and what the inputs were like. A sample is told
// by a fingerprint of its content, so that logs of any batches and workers merge to the same one. Beyond `kMost` samples
// those with the smallest fingerprints stay, which is a fair draw.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "quantize/bytes.h"

namespace tfengine::quantize {

// Of the finite values of one float input in one sample; all 0 where there is none.
struct InputFacts {
  float min = 0.0f;
  float max = 0.0f;
  float mean = 0.0f;
  auto operator<=>(const InputFacts&) const = default;
};
InputFacts input_facts(std::span<const float> values);

struct SampleRecord {
  uint64_t content = 0;
  std::vector<float> peaks;  // by tensor of the log: the largest finite |x|; kUnseen where the tensor was not there
  std::vector<InputFacts> inputs;
  static constexpr float kUnseen = -1.0f;
  auto operator<=>(const SampleRecord&) const = default;
};

// Continues a fingerprint with more bytes of a sample.
inline constexpr uint64_t kNoContent = 0xcbf29ce484222325u;
uint64_t content_hash(uint64_t so_far, const void* data, size_t bytes);

class SampleLog {
 public:
  static constexpr size_t kMost = 4096;

  struct Input {
    std::string name;
    bool scaled_by_model = false;  // the model shifts or scales it before it does anything else with it
    bool operator==(const Input&) const = default;
  };

  SampleLog() = default;
  SampleLog(std::vector<std::string> tensors, std::vector<Input> inputs)
      : tensors_(std::move(tensors)), inputs_(std::move(inputs)) {}

  // `record` is of this log's tensors and inputs.
  void add(SampleRecord record);
  // InvalidArgument when the other log is of other tensors or inputs; one without tensors is of any.
  void merge(const SampleLog& other);

  const std::vector<std::string>& tensors() const { return tensors_; }
  const std::vector<Input>& inputs() const { return inputs_; }
  const std::multiset<SampleRecord>& records() const { return records_; }
  // The mean over the samples of the tensor's peaks; 0 where none is known.
  double mean_peak(size_t tensor) const;
  bool operator==(const SampleLog&) const = default;

  void write(ByteWriter& out) const;
  // InvalidModel when it is malformed.
  static SampleLog read(ByteReader& in);

 private:
  std::vector<std::string> tensors_;
  std::vector<Input> inputs_;
  std::multiset<SampleRecord> records_;
};

}  // namespace tfengine::quantize
