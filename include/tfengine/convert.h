// SPDX-License-Identifier: Apache-2.0
// From a model to an engine: the whole line. See docs/quantization.md for precision "int8".
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tfengine/accuracy.h"
#include "tfengine/calibrate.h"
#include "tfengine/engine.h"
#include "tfengine/model.h"

namespace tfengine {

struct ConvertOptions {
  // "fp32", "bf16" (where the CPU has it), "fp16" (on a GPU), "int8"; upper case accepted. Layers that bf16 makes slower on this
  // machine stay fp32. On a GPU fp32 multiplies as TF32.
  std::string precision = "fp32";
  // int8: what layers that are not INT8 compute in. "fp32", or "bf16": Conv2D and MatMul multiply bfloat16 numbers where the CPU
  // has them and where that is measured to be faster; results of the graph and of denylisted nodes stay float32. On other CPUs
  // it is "fp32" with a note in the report. On a GPU "fp16".
  std::string float_precision = "fp32";
  // int8: ranges from here (required unless the graph carries ranges for what should be INT8).
  const Calibration* calibration = nullptr;
  // Or from a table, by tensor name: the content of a file of any format that RangeTable reads. Where both say something,
  // the stronger source counts (custom before calibrated), and of equal ones `calibration`. Names that only the table or
  // only the graph has are noted in the report.
  std::string calibration_table;
  // What the table lacks for bias_correction, and which inputs were never negative: Calibration::channel_means() of the
  // calibration that it came from. Where
  // `calibration` is given too, that counts. InvalidModel when the bytes are malformed.
  std::string channel_means;
  // How ranges follow from `calibration`: see Calibration::ranges().
  std::string calibrator = "auto";
  double percentile = 99.99;
  // int8: tensors without a range are InvalidArgument naming all of them. Else what reads them stays in float, and a note
  // in the report names them.
  bool strict_ranges = false;
  // int8 with no range from anywhere: a float engine and a note in the report, rather than InvalidArgument.
  bool float_without_ranges = false;
  // "auto": u8 where provably non-negative; "tensorrt": s8 everywhere.
  std::string int8_grid = "auto";
  // int8: biases take back the mean error that rounding the weights makes, where `calibration` or
  // `channel_means` knows the inputs' means.
  bool bias_correction = true;
  // int8: weights have a scale for each output channel; off: one for the whole tensor.
  bool per_channel_weights = true;
  // int8: measures that recover accuracy, any of "asymmetric", "equalization", "smoothing", "weight_mse" and "rounding", or
  // "auto": each
  // that brings the results nearer to the float model's; docs/quantization.md says what they do. InvalidArgument for another
  // name, and for "asymmetric" with int8_grid "tensorrt".
  std::vector<std::string> measures;
  // What the measures run the float model on, the first `max_samples` samples of it, more than once: it has to rewind.
  // "auto", "equalization", "smoothing" and "rounding" need it. Where measures are tried, a quarter of the samples is kept aside to judge
  // by, and the others are what they are fitted on.
  BatchSource* samples = nullptr;
  int64_t max_samples = 64;
  // int8: measures are added until this holds, then layers return to float (docs/quantization.md). Needs samples.
  AccuracyTarget target;
  // int8: with samples, the report also says how far each tensor is from the float model's, and what each measure gains.
  bool explain = false;
  // int8: squeeze-and-excitation branches stay in float: one number for each channel, whose error all positions share.
  bool float_gates = true;
  // Nodes kept out of fusion and INT8, by name; they run one by one in float. A node of the file that reading removes
  // (Identity, calls, constants) has no effect here and is noted in the report; InvalidArgument for a name that the
  // file does not have.
  std::vector<std::string> nodes_denylist;
  // Shapes to plan for now; empty: the model's own with `batch_size` for unknown first dimensions.
  std::vector<std::vector<Shape>> input_shapes;
  int64_t batch_size = 1;
  // Bytes for everything that a run needs: packed weights, activations and workspace (MemoryReport::peak_bytes). The engine is
  // the fastest of those that fit, by measured steps: over `allowed_precisions`, tactics, orders of steps, and chunks that
  // a batch is run in where its samples are independent. For one set of input shapes. InvalidArgument where none fits, with the
  // least bytes that one needs and what to change. 0: no budget. docs/memory.md says more.
  uint64_t memory_budget_bytes = 0;
  // With a budget: the precisions to choose from, best liked first; empty: `precision` alone.
  std::vector<std::string> allowed_precisions;
  // A batch of the planned shapes, or a larger one, is run in chunks where its samples are independent and this machine runs
  // it clearly faster so, by measured steps; the report says which. Needs one set of input shapes.
  bool split_batch = true;
  // INT8 steps that this machine runs slower than float stay float.
  bool avoid_slow_int8 = true;
  // Passes to leave out, by name (see `tfengine dump`), for debugging.
  std::vector<std::string> disabled_passes;
  EngineOptions engine;
  Progress progress;  // tactics chosen and in all, on the calling thread; empty: nobody
  // When given, the engine frees the large constants once it is planned, and asks for the model again to plan for other
  // shapes and to save itself: it then holds little but the weights in the form that its kernels read. It must give the
  // model that was converted, from any thread.
  std::function<Model()> model_again;
  // Kept with the engine and in its file, for the caller: what the engine was made of, say.
  std::string tag;
};

// Whether this CPU gains by the precision: false for "bf16" where it has no bfloat16 arithmetic, and for "fp16", which is a
// GPU's. InvalidArgument when there is no such precision.
TFE_API bool precision_available(const std::string& precision);

// Plans for the shapes asked for, timing tactics on this machine. The model may go afterwards. InvalidModel when the graph
// cannot run, InvalidArgument naming a wrong option, OutOfMemory, BackendFailure.
TFE_API Engine convert(const Model& model, const ConvertOptions& options = {});

}  // namespace tfengine
