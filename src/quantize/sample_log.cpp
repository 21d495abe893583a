// SPDX-License-Identifier: Apache-2.0
#include "quantize/sample_log.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tfengine::quantize {

namespace {

constexpr uint64_t kMostNames = 20'000;
// A record takes four bytes a tensor: this bounds what a small hostile file can ask for.
constexpr uint64_t kPeakBytes = 4;
constexpr uint64_t kFactBytes = 12;

float read_number(ByteReader& in, float least) {
  // Adding 0 turns -0 into 0, which compares equal but has other bytes.
  const float value = in.f32() + 0.0f;
  if (!std::isfinite(value) || value < least) {
    fail<InvalidModel>("{}: the log of samples holds {}, expected a finite number of at least {}", in.what(), value,
                       least);
  }
  return value;
}

uint64_t read_count(ByteReader& in, uint64_t most, std::string_view what) {
  const uint64_t count = in.varint();
  if (count > most)
    fail<InvalidModel>("{}: the log of samples has {} {}, expected at most {}", in.what(), count, what, most);
  return count;
}

SampleRecord read_record(ByteReader& in, size_t tensors, size_t inputs) {
  constexpr float kAny = std::numeric_limits<float>::lowest();
  SampleRecord record;
  record.content = in.fixed(8);
  for (size_t i = 0; i < tensors; ++i) record.peaks.push_back(read_number(in, SampleRecord::kUnseen));
  for (size_t i = 0; i < inputs; ++i) {
    InputFacts facts;
    for (float* value : {&facts.min, &facts.max, &facts.mean}) *value = read_number(in, kAny);
    record.inputs.push_back(facts);
  }
  return record;
}

}  // namespace

InputFacts input_facts(std::span<const float> values) {
  InputFacts facts{std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest(), 0.0f};
  double sum = 0.0;
  size_t count = 0;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    facts.min = std::min(facts.min, value);
    facts.max = std::max(facts.max, value);
    sum += value;
    ++count;
  }
  if (count == 0) return {};
  return {facts.min + 0.0f, facts.max + 0.0f, static_cast<float>(sum / static_cast<double>(count)) + 0.0f};
}

uint64_t content_hash(uint64_t so_far, const void* data, size_t bytes) {
  // FNV-1a over words, with the upper bits mixed into the lower ones, which a product alone leaves untouched.
  constexpr uint64_t kPrime = 0x100000001b3u;
  const auto* at = static_cast<const char*>(data);
  for (size_t i = 0; i < bytes; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, at + i, std::min<size_t>(8, bytes - i));
    so_far = (so_far ^ word) * kPrime;
    so_far ^= so_far >> 29;
  }
  // All bits into all others: the order of fingerprints is a draw.
  so_far = (so_far ^ bytes) * kPrime;
  so_far = (so_far ^ (so_far >> 33)) * 0xff51afd7ed558ccdu;
  so_far = (so_far ^ (so_far >> 33)) * 0xc4ceb9fe1a85ec53u;
  return so_far ^ (so_far >> 33);
}

void SampleLog::add(SampleRecord record) {
  check(record.peaks.size() == tensors_.size() && record.inputs.size() == inputs_.size(),
        "a record of {} tensors and {} inputs in a log of {} and {}", record.peaks.size(), record.inputs.size(),
        tensors_.size(), inputs_.size());
  records_.insert(std::move(record));
  if (records_.size() > kMost) records_.erase(std::prev(records_.end()));
}

void SampleLog::merge(const SampleLog& other) {
  if (other.tensors_.empty() && other.inputs_.empty()) return;
  if (tensors_.empty() && inputs_.empty()) {
    *this = other;
    return;
  }
  if (tensors_ != other.tensors_ || inputs_ != other.inputs_) {
    fail<InvalidArgument>(
        "histograms of different runs cannot be merged: they looked at {} and {} tensors; "
        "nodes_denylist or the version of tfengine differ",
        tensors_.size(), other.tensors_.size());
  }
  for (const SampleRecord& record : other.records_) add(record);
}

double SampleLog::mean_peak(size_t tensor) const {
  double sum = 0.0;
  size_t count = 0;
  for (const SampleRecord& record : records_) {
    if (record.peaks[tensor] == SampleRecord::kUnseen) continue;
    sum += record.peaks[tensor];
    ++count;
  }
  return count == 0 ? 0.0 : sum / static_cast<double>(count);
}

void SampleLog::write(ByteWriter& out) const {
  out.varint(tensors_.size());
  for (const std::string& name : tensors_) out.string(name);
  out.varint(inputs_.size());
  for (const Input& input : inputs_) {
    out.string(input.name);
    out.fixed(input.scaled_by_model ? 1 : 0, 1);
  }
  out.varint(records_.size());
  for (const SampleRecord& record : records_) {
    out.fixed(record.content, 8);
    for (const float peak : record.peaks) out.f32(peak);
    for (const InputFacts& facts : record.inputs) {
      for (const float value : {facts.min, facts.max, facts.mean}) out.f32(value);
    }
  }
}

SampleLog SampleLog::read(ByteReader& in) {
  SampleLog log;
  const uint64_t tensors = read_count(in, kMostNames, "tensors");
  for (uint64_t i = 0; i < tensors; ++i) log.tensors_.push_back(in.string());
  const uint64_t inputs = read_count(in, kMostNames, "inputs");
  for (uint64_t i = 0; i < inputs; ++i) {
    Input input;
    input.name = in.string();
    input.scaled_by_model = in.fixed(1) != 0;
    log.inputs_.push_back(std::move(input));
  }
  const uint64_t records = read_count(in, kMost, "records");
  const uint64_t record_bytes = 8 + kPeakBytes * tensors + kFactBytes * inputs;
  if (records > in.left() / record_bytes) {
    fail<InvalidModel>("{}: the log of samples has {} records where only {} bytes are left", in.what(), records,
                       in.left());
  }
  for (uint64_t i = 0; i < records; ++i) log.records_.insert(read_record(in, tensors, inputs));
  return log;
}

}  // namespace tfengine::quantize
