// SPDX-License-Identifier: Apache-2.0
// A plan on a device: arena and workspace are its memory, and all steps are one recording for each set of addresses, which a
// run replays. Tensors of the host go through staging memory, in the same recording.
#pragma once

#include <list>

#include "runtime/context.h"

namespace tfengine::runtime {

class DeviceContext : public Context {
 public:
  DeviceContext(std::shared_ptr<const PreparedPlan> prepared, Allocator& allocator);
  ~DeviceContext() override;

  void run(std::span<const void* const> inputs, std::span<void* const> outputs) override;
  // Steps run and are waited for one by one.
  void run_observed(std::span<const void* const> inputs, std::span<void* const> outputs,
                    const plan::Watch& watch) override;
  void run_tapped(std::span<const void* const> inputs, std::span<void* const> outputs,
                  const std::shared_ptr<const plan::Tap>& tap, const std::function<void()>& meanwhile) override;
  void run_on_device(std::span<const void* const> inputs, std::span<void* const> outputs, Stream stream) override;

 private:
  // Where the host's tensors lie on the device and in staging memory; dense, one behind the other.
  struct Border {
    Buffer device, staging;
    std::vector<size_t> inputs, outputs;  // offsets
    std::vector<const void*> input_addresses;
    std::vector<void*> output_addresses;
  };
  struct Recorded {
    std::vector<const void*> inputs;
    std::vector<void*> outputs;
    std::unique_ptr<plan::Recording> recording;
  };

  const Border& border();
  size_t input_bytes(size_t index) const;
  size_t output_bytes(size_t index) const;
  void queue_steps();
  void queue_tapped_steps(const plan::Tap& tap);
  void queue_step(BoundStep& step);
  std::vector<size_t> groups();  // of steps that are queued beside each other
  void queue_copies();
  void throw_failures();
  void point_to_border(size_t inputs, size_t outputs);
  // A run from and to staging memory.
  std::unique_ptr<plan::Recording> record_host_run(const plan::Tap* tap);
  void replay_host_run(const plan::Recording& recording, std::span<const void* const> inputs,
                       std::span<void* const> outputs, const std::function<void()>& meanwhile);
  const plan::Recording& recorded(std::span<const void* const> inputs, std::span<void* const> outputs);

  Allocator& allocator_;
  std::unique_ptr<plan::Queue> queue_;
  std::unique_ptr<Border> border_;
  std::unique_ptr<plan::Recording> host_run_;
  std::shared_ptr<const plan::Tap> tap_;
  std::unique_ptr<plan::Recording> tapped_run_;  // with tap_
  std::vector<Buffer> constant_outputs_;
  std::vector<const void*> constant_sources_;  // by output copy; null: not a constant
  std::list<Recorded> recorded_;               // most recently used first
};

}  // namespace tfengine::runtime
