// SPDX-License-Identifier: Apache-2.0
#include "support/host_gpu.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "backends/cuda/backend.h"
#include "backends/reference/backend.h"
#include "base/check.h"

namespace tfengine::host_gpu {

namespace {

constexpr size_t kMemoryBytes = size_t{256} << 20;
constexpr int kGpus = 2;

[[noreturn]] void die(const char* what, const void* address) {
  std::fprintf(stderr, "host GPU: %s %p\n", what, address);
  std::abort();
}

// The same pages twice: at the device's addresses, which nobody may touch, and where its own work finds them.
struct Pages {
  char* device;
  char* host;
};

const Pages& pages() {
  static const Pages made = [] {
    const int file = memfd_create("host gpu", 0);
    if (file < 0 || ftruncate(file, kMemoryBytes) != 0) die("no memory for", nullptr);
    const auto map = [&](int protection) {
      void* mapped = mmap(nullptr, kMemoryBytes, protection, MAP_SHARED, file, 0);
      if (mapped == MAP_FAILED) die("no memory for", nullptr);
      return static_cast<char*>(mapped);
    };
    return Pages{map(PROT_NONE), map(PROT_READ | PROT_WRITE)};
  }();
  return made;
}

}  // namespace

Allocator& memory() {
  static auto* all = new ArenaAllocator(pages().device, kMemoryBytes, Device{DeviceKind::Cuda, 0});
  return *all;
}

bool owns(const void* address) {
  const char* at = static_cast<const char*>(address);
  return at >= pages().device && at < pages().device + kMemoryBytes;
}

void* at(const void* address) {
  if (!owns(address)) die("this is not its memory:", address);
  return pages().host + (static_cast<const char*>(address) - pages().device);
}

HostStream::HostStream() : thread_([this] { serve(); }) {}

HostStream::~HostStream() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void HostStream::put(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  work_.push_back(std::move(work));
  wake_.notify_all();
}

void HostStream::wait() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return work_.empty(); });
}

void HostStream::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return ending_ || !work_.empty(); });
    if (work_.empty()) return;
    const std::function<void()> work = work_.front();
    lock.unlock();
    // Who reads results without waiting for the stream is to be found out.
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    work();
    lock.lock();
    work_.pop_front();
    wake_.notify_all();
  }
}

namespace {

using Work = std::vector<std::function<void()>>;

class HostRecording : public plan::Recording {
 public:
  Work work;
};

class HostQueue : public plan::Queue {
 public:
  Stream stream() const override { return const_cast<HostStream*>(&own_)->handle(); }
  void put(std::function<void()> work) {
    recording_ != nullptr ? recording_->push_back(std::move(work)) : own_.put(std::move(work));
  }
  void upload(void* device, const void* host, size_t bytes) override { upload_rows(device, bytes, host, bytes, 1); }
  void download(void* host, const void* device, size_t bytes) override { download_rows(host, device, bytes, bytes, 1); }
  void copy(void* to, const void* from, size_t bytes) override {
    if (bytes > 0) put([=] { std::memcpy(at(to), at(from), bytes); });
  }
  void upload_rows(void* device, size_t pitch, const void* host, size_t row_bytes, size_t rows) override {
    if (row_bytes * rows == 0) return;
    put([=] {
      for (size_t i = 0; i < rows; ++i) {
        std::memcpy(static_cast<char*>(at(device)) + i * pitch, static_cast<const char*>(host) + i * row_bytes,
                    row_bytes);
      }
    });
    if (recording_ == nullptr) own_.wait();
  }
  void download_rows(void* host, const void* device, size_t pitch, size_t row_bytes, size_t rows) override {
    if (row_bytes * rows == 0) return;
    put([=] {
      for (size_t i = 0; i < rows; ++i) {
        std::memcpy(static_cast<char*>(host) + i * row_bytes, static_cast<char*>(at(device)) + i * pitch, row_bytes);
      }
    });
    if (recording_ == nullptr) own_.wait();
  }
  void fill_zero(void* device, size_t bytes) override {
    if (bytes > 0) put([=] { std::memset(at(device), 0, bytes); });
  }
  void call(void (*function)(void*), void* state) override {
    put([=] { function(state); });
  }
  // Branches run one after the other, the last one first: an order that plans must not depend on.
  void fork() override {
    trunk_ = recording_;
    branches_.assign(kMostBranches, {});
  }
  void enter(int branch) override {
    if (trunk_ != nullptr) recording_ = &branches_.at(static_cast<size_t>(branch));
  }
  void join() override {
    if (trunk_ == nullptr) return;
    recording_ = trunk_;
    for (auto branch = branches_.rbegin(); branch != branches_.rend(); ++branch)
      recording_->insert(recording_->end(), branch->begin(), branch->end());
  }
  void wait() override {
    own_.wait();
    if (elsewhere_ != nullptr) elsewhere_->wait();
  }
  std::unique_ptr<plan::Recording> record(const std::function<void()>& work) override {
    auto made = std::make_unique<HostRecording>();
    recording_ = &made->work;
    try {
      work();
    } catch (...) {
      recording_ = nullptr;
      throw;
    }
    recording_ = nullptr;
    return made;
  }
  void replay(const plan::Recording& recording, Stream stream) override {
    HostStream& to = stream == nullptr ? own_ : HostStream::of(stream);
    if (&to != elsewhere_) wait();
    elsewhere_ = &to;
    for (const auto& work : static_cast<const HostRecording&>(recording).work) to.put(work);
  }
  double elapsed_us(const std::function<void()>& work) override {
    const auto begin = std::chrono::steady_clock::now();
    work();
    own_.wait();
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
  }

 private:
  HostStream own_;
  HostStream* elsewhere_ = nullptr;  // where the latest run was
  Work* recording_ = nullptr;
  Work* trunk_ = nullptr;  // what was recorded into when branches began
  std::vector<Work> branches_;
};

// The memory as that of one of the GPUs.
class MemoryOfGpu : public Allocator {
 public:
  explicit MemoryOfGpu(int index) : index_(index) {}
  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override {
    return memory().allocate(bytes, alignment, purpose);
  }
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override {
    memory().deallocate(pointer, bytes, purpose);
  }
  Device device() const noexcept override { return {DeviceKind::Cuda, index_}; }
  uint64_t bytes_in_use() const noexcept override { return memory().bytes_in_use(); }
  uint64_t limit_bytes() const noexcept override { return memory().limit_bytes(); }

 private:
  int index_;
};

class HostGpu : public plan::Device {
 public:
  explicit HostGpu(int index) : index_(index), memory_(index) {}
  std::string name() const override { return "cuda:" + std::to_string(index_); }
  std::string key() const override { return "host GPU"; }
  Allocator& memory() const override { return memory_; }
  Allocator& staging() const override { return staging_; }
  std::unique_ptr<plan::Queue> make_queue() const override { return std::make_unique<HostQueue>(); }
  std::unique_ptr<plan::TensorCounter> make_counter() const override {
    throw InternalError("this GPU of the tests calibrates nothing");
  }

 private:
  int index_;
  mutable MemoryOfGpu memory_;
  mutable SystemAllocator staging_;
};

// A step of the reference backend, put into the queue with the addresses of the moment.
class QueuedStep : public plan::BoundKernel {
 public:
  QueuedStep(std::shared_ptr<const plan::Kernel> kernel, const std::vector<bool>& constants, const plan::StepArgs& args)
      : kernel_(std::move(kernel)), constants_(constants), args_(args) {}
  void run() override {
    plan::StepArgs here = args_;
    here.queue = nullptr;
    for (size_t i = 0; i < here.src.size(); ++i) {
      if (!constants_[i]) here.src[i] = at(here.src[i]);
    }
    for (void*& dst : here.dst) dst = at(dst);
    std::shared_ptr<plan::BoundKernel> bound = kernel_->bind(here);
    static_cast<HostQueue&>(*args_.queue).put([bound] { bound->run(); });
  }
  void rebind(const plan::StepArgs& args) override {
    plan::Queue* queue = args_.queue;
    args_ = args;
    if (args_.queue == nullptr) args_.queue = queue;
  }

 private:
  std::shared_ptr<const plan::Kernel> kernel_;
  const std::vector<bool>& constants_;
  plan::StepArgs args_;
};

class QueuedKernel : public plan::Kernel {
 public:
  QueuedKernel(std::shared_ptr<const plan::Kernel> kernel, std::vector<bool> constants)
      : kernel_(std::move(kernel)), constants_(std::move(constants)) {}
  std::unique_ptr<plan::BoundKernel> bind(const plan::StepArgs& args) const override {
    return std::make_unique<QueuedStep>(kernel_, constants_, args);
  }

 private:
  std::shared_ptr<const plan::Kernel> kernel_;
  std::vector<bool> constants_;
};

class HostGpuBackend : public plan::Backend {
 public:
  explicit HostGpuBackend(int index) : gpu_(index) {}
  std::string name() const override { return "cuda"; }
  const plan::Device* device() const override { return &gpu_; }
  std::variant<std::vector<plan::Tactic>, Refusal> tactics(const plan::StepSpec& spec) const override {
    if (!spec.node->regions.empty()) return Refusal{"it has regions"};
    auto found = reference::reference_backend().tactics(spec);
    if (auto* tactics = std::get_if<std::vector<plan::Tactic>>(&found)) {
      std::vector<bool> constants;
      for (const Tensor& constant : spec.constants) constants.push_back(constant.defined());
      for (plan::Tactic& tactic : *tactics) {
        tactic.prepare = [prepare = std::move(tactic.prepare), constants](plan::PackedStore& packed) {
          return std::make_shared<QueuedKernel>(prepare(packed), constants);
        };
      }
    }
    return found;
  }
  std::optional<Refusal> refuses(const ir::Graph& graph, const ir::Node& node) const override {
    return reference::reference_backend().refuses(graph, node);
  }
  std::optional<Refusal> refuses_int8(const ir::Graph& graph, const ir::Node& node) const override {
    return refuses(graph, node);
  }
  std::optional<Refusal> refuses_zero_point(const ir::Graph&, const ir::Node&, int) const override {
    return Refusal{"a GPU has none"};
  }
  bool takes_strided_input(const plan::StepSpec&, int) const override { return false; }
  bool takes_strided_output(const plan::StepSpec&) const override { return false; }

 private:
  HostGpu gpu_;
};

HostStream& default_stream() {
  static auto* stream = new HostStream;
  return *stream;
}

HostStream& stream_of(Stream handle) { return handle == nullptr ? default_stream() : HostStream::of(handle); }

}  // namespace

}  // namespace tfengine::host_gpu

namespace tfengine::cuda {

std::string why_absent() { return {}; }

const plan::Backend& cuda_backend(int index, FloatStorage) {
  static auto* backends = new std::array<host_gpu::HostGpuBackend, host_gpu::kGpus>{host_gpu::HostGpuBackend(0),
                                                                                    host_gpu::HostGpuBackend(1)};
  if (index < 0 || index >= host_gpu::kGpus) {
    fail<InvalidArgument>("device 'cuda:{}': there are {} GPUs, numbered from 0", index, host_gpu::kGpus);
  }
  return (*backends)[static_cast<size_t>(index)];
}

std::vector<GpuInfo> list_gpus() {
  std::vector<GpuInfo> gpus;
  for (int i = 0; i < host_gpu::kGpus; ++i) gpus.push_back({i, "host GPU", "0.0", host_gpu::kMemoryBytes});
  return gpus;
}
void set_memory_limit(int, const GpuMemoryOptions&) {}
AllocatorStats memory_stats(int) { return {}; }
uint64_t memory_limit_bytes(int) { return host_gpu::kMemoryBytes; }

void wait(int, Stream stream) { host_gpu::stream_of(stream).wait(); }

void upload(int, void* device, const void* host, size_t bytes, Stream stream) {
  wait(0, stream);
  if (bytes > 0) std::memcpy(host_gpu::at(device), host, bytes);
}

void download(int, void* host, const void* device, size_t bytes, Stream stream) {
  wait(0, stream);
  if (bytes > 0) std::memcpy(host, host_gpu::at(device), bytes);
}

}  // namespace tfengine::cuda
