// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/device.h"

#include <fmt/core.h>

#include <vector>

#include "backends/cuda/counter.h"
#include "backends/cuda/error.h"

namespace tfengine::cuda {

namespace {

cudaStream_t as_stream(Stream handle) { return static_cast<cudaStream_t>(handle); }

class GraphRecording : public plan::Recording {
 public:
  GraphRecording(int gpu, cudaGraph_t graph) : gpu_(gpu) {
    const cudaError_t status = cudaGraphInstantiate(&executable_, graph, 0);
    (void)cudaGraphDestroy(graph);
    check_cuda(status, "instantiating a CUDA graph");
  }
  ~GraphRecording() override { (void)cudaGraphExecDestroy(executable_); }
  void launch(cudaStream_t stream) const {
    const UseGpu use(gpu_);
    check_cuda(cudaGraphLaunch(executable_, stream), "launching a CUDA graph");
  }

 private:
  int gpu_;
  cudaGraphExec_t executable_ = nullptr;
};

class StreamQueue : public plan::Queue {
 public:
  explicit StreamQueue(int gpu) : gpu_(gpu) {
    const UseGpu use(gpu_);
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
    current_ = stream_;
    check_cuda(cudaEventCreateWithFlags(&forked_, cudaEventDisableTiming), "making an event");
    check_cuda(cudaEventCreateWithFlags(&last_, cudaEventDisableTiming), "making an event");
    check_cuda(cudaEventCreate(&begin_), "making an event");
    check_cuda(cudaEventCreate(&end_), "making an event");
  }
  ~StreamQueue() override {
    for (Branch& branch : branches_) {
      (void)cudaEventDestroy(branch.end);
      (void)cudaStreamDestroy(branch.stream);
    }
    for (cudaEvent_t event : {forked_, last_, begin_, end_}) (void)cudaEventDestroy(event);
    (void)cudaStreamDestroy(stream_);
  }

  Stream stream() const override { return current_; }

  void upload(void* device, const void* host, size_t bytes) override {
    move(device, host, bytes, cudaMemcpyHostToDevice, "copying to the GPU");
  }
  void download(void* host, const void* device, size_t bytes) override {
    move(host, device, bytes, cudaMemcpyDeviceToHost, "copying from the GPU");
  }
  void copy(void* to, const void* from, size_t bytes) override {
    move(to, from, bytes, cudaMemcpyDeviceToDevice, "copying on the GPU");
  }
  void upload_rows(void* device, size_t pitch, const void* host, size_t row_bytes, size_t rows) override {
    if (row_bytes * rows == 0) return;
    const UseGpu use(gpu_);
    check_cuda(cudaMemcpy2DAsync(device, pitch, host, row_bytes, row_bytes, rows, cudaMemcpyHostToDevice, current_),
               "copying to the GPU");
  }
  void download_rows(void* host, const void* device, size_t pitch, size_t row_bytes, size_t rows) override {
    if (row_bytes * rows == 0) return;
    const UseGpu use(gpu_);
    check_cuda(cudaMemcpy2DAsync(host, row_bytes, device, pitch, row_bytes, rows, cudaMemcpyDeviceToHost, current_),
               "copying from the GPU");
  }
  void fill_zero(void* device, size_t bytes) override {
    const UseGpu use(gpu_);
    if (bytes > 0) check_cuda(cudaMemsetAsync(device, 0, bytes, current_), "clearing memory of the GPU");
  }
  void call(void (*function)(void*), void* state) override {
    check_cuda(cudaLaunchHostFunc(current_, function, state), "calling the host from the GPU's queue");
  }

  void fork() override {
    const UseGpu use(gpu_);
    check_cuda(cudaEventRecord(forked_, stream_), "ordering streams");
  }
  // Branch 0 is our own stream.
  void enter(int branch) override {
    const UseGpu use(gpu_);
    current_ = stream_;
    if (branch == 0) return;
    while (branch > static_cast<int>(branches_.size())) add_branch();
    Branch& entered = branches_[static_cast<size_t>(branch) - 1];
    check_cuda(cudaStreamWaitEvent(entered.stream, forked_), "ordering streams");
    entered.used = true;
    current_ = entered.stream;
  }
  void join() override {
    const UseGpu use(gpu_);
    current_ = stream_;
    for (Branch& branch : branches_) {
      if (!branch.used) continue;
      branch.used = false;
      check_cuda(cudaEventRecord(branch.end, branch.stream), "ordering streams");
      check_cuda(cudaStreamWaitEvent(stream_, branch.end), "ordering streams");
    }
  }

  void wait() override {
    check_cuda(cudaEventSynchronize(last_), "waiting for the GPU");
    check_cuda(cudaStreamSynchronize(stream_), "waiting for the GPU");
  }

  std::unique_ptr<plan::Recording> record(const std::function<void()>& work) override {
    const UseGpu use(gpu_);
    // Other threads may allocate meanwhile: only this thread's calls are bound by the capture's rules.
    check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "beginning a CUDA graph");
    cudaGraph_t graph = nullptr;
    try {
      work();
    } catch (...) {
      current_ = stream_;
      for (Branch& branch : branches_) branch.used = false;
      (void)cudaStreamEndCapture(stream_, &graph);
      if (graph != nullptr) (void)cudaGraphDestroy(graph);
      (void)cudaGetLastError();
      throw;
    }
    check_cuda(cudaStreamEndCapture(stream_, &graph), "ending a CUDA graph");
    return std::make_unique<GraphRecording>(gpu_, graph);
  }

  void replay(const plan::Recording& recording, Stream stream) override {
    const cudaStream_t to = stream == nullptr ? stream_ : as_stream(stream);
    const auto& graph = static_cast<const GraphRecording&>(recording);
    if (to == stream_ && !elsewhere_) return graph.launch(to);
    const UseGpu use(gpu_);
    check_cuda(cudaStreamWaitEvent(to, last_), "ordering streams");
    graph.launch(to);
    check_cuda(cudaEventRecord(last_, to), "ordering streams");
    elsewhere_ = true;
  }

  double elapsed_us(const std::function<void()>& work) override {
    const UseGpu use(gpu_);
    check_cuda(cudaEventRecord(begin_, stream_), "timing");
    work();
    check_cuda(cudaEventRecord(end_, stream_), "timing");
    check_cuda(cudaEventSynchronize(end_), "waiting for the GPU");
    float milliseconds = 0.0f;
    check_cuda(cudaEventElapsedTime(&milliseconds, begin_, end_), "timing");
    return 1e3 * static_cast<double>(milliseconds);
  }

 private:
  struct Branch {
    cudaStream_t stream = nullptr;
    cudaEvent_t end = nullptr;
    bool used = false;  // since the fork
  };
  void add_branch() {
    Branch branch;
    check_cuda(cudaStreamCreateWithFlags(&branch.stream, cudaStreamNonBlocking), "making a stream");
    const cudaError_t status = cudaEventCreateWithFlags(&branch.end, cudaEventDisableTiming);
    if (status != cudaSuccess) (void)cudaStreamDestroy(branch.stream);
    check_cuda(status, "making an event");
    branches_.push_back(branch);
  }
  void move(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, const char* what) {
    const UseGpu use(gpu_);  // memory of a pool is copied on its own GPU alone
    if (bytes > 0) check_cuda(cudaMemcpyAsync(to, from, bytes, kind, current_), what);
  }

  int gpu_;
  cudaStream_t stream_ = nullptr;
  cudaStream_t current_ = nullptr;  // that of the branch that was entered
  std::vector<Branch> branches_;
  cudaEvent_t forked_ = nullptr;
  cudaEvent_t last_ = nullptr;  // behind what ran on other streams
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  bool elsewhere_ = false;  // some run was on another stream than ours
};

}  // namespace

Gpu::Gpu(int index, const std::string& libraries) : index_(index), memory_(index) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, index), "asking for a GPU's properties");
  multiprocessors_ = properties.multiProcessorCount;
  key_ = fmt::format("{} sm_{}{} x{}, {}", properties.name, properties.major, properties.minor, multiprocessors_,
                     libraries);
}

std::string Gpu::name() const { return fmt::format("cuda:{}", index_); }

std::unique_ptr<plan::Queue> Gpu::make_queue() const { return std::make_unique<StreamQueue>(index_); }

std::unique_ptr<plan::TensorCounter> Gpu::make_counter() const { return make_tensor_counter(*this); }

}  // namespace tfengine::cuda
