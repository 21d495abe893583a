// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/counter.h"

#include <algorithm>
#include <array>
#include <vector>

#include "backends/cuda/error.h"
#include "backends/cuda/kernels/count.h"
#include "base/buffer.h"
#include "base/check.h"

namespace tfengine::cuda {

namespace {

using plan::CountTask;
using plan::Queue;
using plan::SumTask;
using plan::TensorCounts;
using plan::TensorSums;

static_assert(TensorCounts::kBins == kCountBins && TensorCounts::kLogBins == kCountLogBins);

// Kernels that count leave most of the GPU to those beside them.
constexpr size_t kBranches = 4;

class Event {
 public:
  Event() { check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "making an event"); }
  ~Event() { (void)cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  // `later` waits for what is in `earlier` now.
  void order(cudaStream_t earlier, cudaStream_t later) {
    check_cuda(cudaEventRecord(event_, earlier), "ordering streams");
    check_cuda(cudaStreamWaitEvent(later, event_), "ordering streams");
  }

 private:
  cudaEvent_t event_ = nullptr;
};

class OwnStream {
 public:
  OwnStream() { check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream"); }
  ~OwnStream() { (void)cudaStreamDestroy(stream_); }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;
  cudaStream_t get() const { return stream_; }
  void wait() const { check_cuda(cudaStreamSynchronize(stream_), "waiting for the GPU"); }

 private:
  cudaStream_t stream_ = nullptr;
};

class CudaCounter : public plan::TensorCounter {
 public:
  // The streams are the GPU's: it has to be the current one when they are made.
  CudaCounter(const Gpu& gpu, const UseGpu&) : gpu_(gpu) {}
  ~CudaCounter() override {
    for (const OwnStream& branch : branches_) (void)cudaStreamSynchronize(branch.get());
    (void)cudaStreamSynchronize(own_.get());
  }

  int add_counts() override {
    const UseGpu use(gpu_.index());
    states_.push_back(memory(sizeof(CountState)));
    count_reset(own_.get(), state(states_.size() - 1));
    own_.wait();
    return static_cast<int>(states_.size()) - 1;
  }

  // Behind the sums: whether they are broken.
  int add_sums(int64_t channels) override {
    const UseGpu use(gpu_.index());
    sums_.push_back({memory(sums_bytes(channels)), channels});
    clear(sums_.back());
    return static_cast<int>(sums_.size()) - 1;
  }

  int add_rows(std::span<const int64_t> rows) override {
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (std::equal(rows.begin(), rows.end(), rows_[i].values.begin(), rows_[i].values.end()))
        return static_cast<int>(i);
    }
    const UseGpu use(gpu_.index());
    rows_.push_back({{rows.begin(), rows.end()}, memory(std::max<size_t>(rows.size_bytes(), 1))});
    check_cuda(cudaMemcpyAsync(rows_.back().device.data(), rows_.back().values.data(), rows.size_bytes(),
                               cudaMemcpyHostToDevice, own_.get()),
               "copying to the GPU");
    own_.wait();
    return static_cast<int>(rows_.size()) - 1;
  }

  void reserve_peaks(size_t peaks) override {
    if (peaks <= peaks_ && peaks_ > 0) return;
    peaks_ = std::max<size_t>(peaks, 1);
    device_peaks_ = memory(peaks_ * sizeof(float));
    host_peaks_ = Buffer(gpu_.staging(), peaks_ * sizeof(float), Purpose::Temporary, kWhat);
  }

  void count(Queue& queue, const CountTask& task) override {
    const cudaStream_t stream = branch(queue);
    auto* peaks = reinterpret_cast<float*>(device_peaks_.data()) + task.first_peak;
    check(task.first_peak + task.peaks <= static_cast<int>(peaks_), "peaks {} to {} of {} are noted", task.first_peak,
          task.first_peak + task.peaks, peaks_);
    count_values(stream, state(static_cast<size_t>(task.slot)), task.data, task.samples, task.elements, task.log_stride,
                 task.peaks == 1 ? peaks : nullptr);
    if (task.peaks > 1) part_peaks(stream, task.data, task.peaks, task.samples * task.elements / task.peaks, peaks);
  }

  void sum(Queue& queue, const SumTask& task) override {
    const cudaStream_t stream = branch(queue);
    const Rows& rows = rows_.at(static_cast<size_t>(task.rows));
    Sums& sums = sums_.at(static_cast<size_t>(task.slot));
    check(sums.channels == task.channels, "sums of {} channels are asked of {}", sums.channels, task.channels);
    add_channel_sums(stream, task.data, task.samples, task.rows_per_sample, task.channels,
                     reinterpret_cast<const int64_t*>(rows.device.data()), static_cast<int>(rows.values.size()),
                     reinterpret_cast<__int128*>(sums.memory.data()), broken_of(sums));
  }

  void finish(Queue& queue) override {
    const UseGpu use(gpu_.index());
    const auto main = static_cast<cudaStream_t>(queue.stream());
    for (size_t i = 0; i < kBranches; ++i) {
      if (used_[i]) event_.order(branches_[i].get(), main);
      used_[i] = false;
    }
    if (peaks_ > 0) queue.download(host_peaks_.data(), device_peaks_.data(), peaks_ * sizeof(float));
  }

  std::span<const float> peaks() const override { return {reinterpret_cast<const float*>(host_peaks_.data()), peaks_}; }

  TensorCounts take_counts(int slot) override {
    const UseGpu use(gpu_.index());
    CountState* const from = state(static_cast<size_t>(slot));
    auto held = std::make_unique<CountState>();
    check_cuda(cudaMemcpyAsync(held.get(), from, sizeof *held, cudaMemcpyDeviceToHost, own_.get()),
               "copying from the GPU");
    own_.wait();
    count_reset(own_.get(), from);
    own_.wait();
    TensorCounts counts;
    counts.count = held->count;
    counts.zeros = held->zeros;
    counts.nans = held->nans;
    counts.infs = held->infs;
    if (counts.count > counts.nans + counts.infs) {
      counts.min = count_key_value(held->min_key);
      counts.max = count_key_value(held->max_key);
    }
    counts.exponent = held->exponent == kUnsetExponent ? TensorCounts::kUnset : held->exponent;
    if (counts.exponent != TensorCounts::kUnset) counts.bins.assign(std::begin(held->bins), std::end(held->bins));
    counts.log_bins.assign(std::begin(held->log_bins), std::end(held->log_bins));
    return counts;
  }

  TensorSums take_sums(int slot) override {
    const UseGpu use(gpu_.index());
    Sums& from = sums_.at(static_cast<size_t>(slot));
    TensorSums result;
    result.sums.resize(static_cast<size_t>(from.channels));
    int broken = 0;
    check_cuda(cudaMemcpyAsync(result.sums.data(), from.memory.data(), result.sums.size() * sizeof(__int128),
                               cudaMemcpyDeviceToHost, own_.get()),
               "copying from the GPU");
    check_cuda(cudaMemcpyAsync(&broken, broken_of(from), sizeof broken, cudaMemcpyDeviceToHost, own_.get()),
               "copying from the GPU");
    own_.wait();
    clear(from);
    result.broken = broken != 0;
    return result;
  }

 private:
  static constexpr const char* kWhat = "what calibration counts";
  struct Rows {
    std::vector<int64_t> values;
    Buffer device;
  };
  struct Sums {
    Buffer memory;
    int64_t channels = 0;
  };

  Buffer memory(size_t bytes) const { return {gpu_.memory(), bytes, Purpose::Temporary, kWhat}; }
  CountState* state(size_t slot) { return reinterpret_cast<CountState*>(states_.at(slot).data()); }
  static size_t sums_bytes(int64_t channels) { return static_cast<size_t>(channels + 1) * sizeof(__int128); }
  static int* broken_of(Sums& sums) {
    return reinterpret_cast<int*>(reinterpret_cast<__int128*>(sums.memory.data()) + sums.channels);
  }
  void clear(Sums& sums) {
    check_cuda(cudaMemsetAsync(sums.memory.data(), 0, sums_bytes(sums.channels), own_.get()), "clearing memory");
    own_.wait();
  }

  // A stream that waits for what is in the queue.
  cudaStream_t branch(Queue& queue) {
    const size_t i = next_++ % kBranches;
    event_.order(static_cast<cudaStream_t>(queue.stream()), branches_[i].get());
    used_[i] = true;
    return branches_[i].get();
  }

  const Gpu& gpu_;
  OwnStream own_;
  std::array<OwnStream, kBranches> branches_;
  std::array<bool, kBranches> used_{};
  size_t next_ = 0;
  Event event_;
  std::vector<Buffer> states_;
  std::vector<Sums> sums_;
  std::vector<Rows> rows_;
  size_t peaks_ = 0;
  Buffer device_peaks_, host_peaks_;
};

}  // namespace

std::unique_ptr<plan::TensorCounter> make_tensor_counter(const Gpu& gpu) {
  const UseGpu use(gpu.index());
  return std::make_unique<CudaCounter>(gpu, use);
}

}  // namespace tfengine::cuda
