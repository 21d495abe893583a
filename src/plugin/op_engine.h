// SPDX-License-Identifier: Apache-2.0
// What one TRTEngineOp runs: a float plan with observers while it is to be calibrated, then one engine with a plan for each
// set of input shapes. It decides, for each call, between engine and native segment, and counts both. It knows nothing of
// TensorFlow: inputs, outputs, memory and the segment's bytes come through plain types and functions. On a GPU all of that is
// the same but where tensors lie: an engine's work goes into the caller's stream, and calibration, which is the host's, gets
// copies.
#pragma once

#include <exception>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tfengine/calibrate.h"
#include "tfengine/convert.h"
#include "tfengine/engine.h"
#include "tfgraph/tensor_proto.h"

namespace tfengine::plugin {

struct OpConfig {
  std::string name;  // for messages
  std::string precision = "fp32";
  uint64_t max_workspace_size_bytes = uint64_t{1} << 30;
  int maximum_cached_engines = 1;
  int threads = 1;
  bool refuse_builds = false;     // every build fails: to try how a program lives with that
  bool calibrate = false;         // there is no table yet and one is wanted
  std::string calibration_table;  // TensorRT's cache text
  std::string channel_means;      // Calibration::channel_means() of the same calibration; empty: no bias correction
  std::string calibrator = "entropy";
  float percentile = 99.99f;   // for the calibrators "percentile" and "legacy"
  bool strict_ranges = false;  // a tensor without a range fails the call, and is not float
  std::string tag;             // fingerprint of the segment, kept in engine files; empty: there is no segment
  // Tells the user `text`, once for each `topic`.
  std::function<void(const std::string& topic, const std::string& text)> notice = [](const auto&, const auto&) {};
};

// A GraphDef whose placeholders and returned tensors are the segment's, in order.
struct SegmentGraph {
  std::string_view bytes;
  std::shared_ptr<const void> owner;
  std::vector<std::string> inputs, outputs;
  std::vector<tfgraph::OutsideContents> outside = {};  // contents of constants that the bytes lack
};

// How a call ended: outputs are written, or the native segment has to be run (and why), or it failed.
struct Outcome {
  enum class Kind : uint8_t { Done, Native, Failed };
  Kind kind = Kind::Done;
  std::string reason;
  std::exception_ptr error;
};

// Where an operation's tensors and engines are.
struct OpPlace {
  explicit OpPlace(std::shared_ptr<Allocator> host_memory) : memory(host_memory), host(std::move(host_memory)) {}
  // `device` as EngineOptions::device; `memory`: that device's, for its engines.
  OpPlace(std::string device_name, std::shared_ptr<Allocator> device_memory, std::shared_ptr<Allocator> host_memory);
  std::string device;
  int gpu = -1;  // of `device`; -1: the host
  std::shared_ptr<Allocator> memory;
  std::shared_ptr<Allocator> host;  // for what is read and computed while engines are made, and for calibration
  bool on_gpu() const { return gpu >= 0; }
};

struct Call {
  std::vector<NamedTensor> inputs;  // nameless, in order, of the operation's place; valid until `done`
  Stream stream = nullptr;          // on a GPU: inputs are there, and outputs are wanted, in order with its work
  bool allow_build = true;          // false: natively, where there is no plan for these shapes
  // Buffers for outputs of these shapes, in the operation's place; called at most once, may throw.
  std::function<std::vector<void*>(const std::vector<Shape>&)> allocate;
  // Called once, on any thread, with nothing of the call in use any more but by what is in `stream`.
  std::function<void(Outcome)> done;
};

class OpEngine : public std::enable_shared_from_this<OpEngine> {
 public:
  // `segment` gives the segment's graph whenever it is asked, from any thread, as long as this lives.
  OpEngine(OpConfig config, std::function<SegmentGraph()> segment, OpPlace place);
  // A calibration whose table nobody took is left for whoever asks later (left_calibrations.h).
  ~OpEngine();
  OpEngine(const OpEngine&) = delete;
  OpEngine& operator=(const OpEngine&) = delete;

  // Takes an engine that was built before, if it is this segment's: its tag and precision say so, or there is no segment.
  // False if it is not.
  // `surely_ours`: it came with the operation itself.
  bool adopt(Engine engine, bool surely_ours = false);
  void run(Call call);
  // A call that the caller runs natively for a reason of its own.
  void count_native(const std::string& reason);

  bool calibrating() const;
  // Ends calibration and gives TensorRT's table; later calls use the engine built with it. InvalidArgument naming the
  // operation when no data was seen, or when it is not calibrated.
  std::string calibration_table();
  // Of the finished calibration; empty without one.
  std::optional<Calibration> calibration() const;
  std::optional<Engine> engine() const;
  EngineOptions engine_options() const;
  const OpConfig& config() const { return config_; }
  uint64_t allocated_bytes() const { return place_.memory->bytes_in_use(); }
  std::string status_json() const;

 private:
  using Shapes = std::vector<Shape>;
  enum class Next : uint8_t { Calibrate, Execute, Build, Wait, Native };
  Next decide(const Shapes& shapes, Call& call, std::string& reason);
  static void start(std::shared_ptr<OpEngine> self, Call call);
  static void finish(std::shared_ptr<OpEngine> self, Call call);
  Outcome answer(const Call& call);
  void execute(const Call& call);
  void calibrate(const Call& call);
  void calibrate_with_copies(const Call& call);
  std::unique_ptr<Calibrator> make_calibrator();
  Outcome build(const Shapes& shapes);
  // The outcome of a build that failed: the native segment, for these shapes from now on.
  Outcome refused(const Shapes& shapes, const std::exception& error);
  std::vector<Call> take_waiting(const Shapes& shapes, const Outcome& outcome);
  static void build_and_answer(std::shared_ptr<OpEngine> self, const Shapes& shapes);
  void build_engine(const Shapes& shapes);
  void remember_failure(const Shapes& shapes, const std::string& reason);

  OpConfig config_;
  std::function<SegmentGraph()> segment_;
  OpPlace place_;
  mutable std::mutex mutex_;  // for moments only
  std::shared_ptr<const Engine> engine_;
  std::optional<Calibration> calibration_;
  std::map<std::string, std::vector<Call>> waiting_;  // for a build, by shapes
  std::list<std::pair<Shapes, std::string>> failed_;  // latest first
  int builds_ = 0;
  int failed_builds_ = 0;
  int64_t engine_calls_ = 0;
  std::map<std::string, int64_t> native_calls_;

  std::mutex calibrating_;  // held while a batch is observed; taken before mutex_
  std::unique_ptr<Calibrator> calibrator_;
  std::string calibration_failure_;  // why there can be none
};

}  // namespace tfengine::plugin
