// SPDX-License-Identifier: Apache-2.0
// INT8 depthwise convolution. Without a dot-product instruction the widest exact product of 8-bit values is vpmaddwd: two
// 16-bit products summed into 32 bits. So two input rows are widened and interleaved, and each product covers two taps of
// one column. depthwise_direct-inl.h does 3 x 3 kernels in registers, depthwise_ring-inl.h the rest.
#include <cstring>

#include "kernels/depthwise_layout.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_int8.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/depthwise_direct-inl.h"
#include "kernels/depthwise_ring-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

size_t depthwise_lanes() { return hn::Lanes(D16()); }

template <class T>
void run_block(const DepthwiseInt8Args& args, const DepthwisePlan::Unit& unit, const DepthwiseInt8Layout& layout,
               Block& b, uint8_t* scratch) {
  if (runs_direct(args, b)) {
    run_direct_block<T>(args, unit, b);
  } else {
    run_ring_block<T>(args, unit, layout, b, scratch);
  }
}

void depthwise_units(const DepthwiseInt8Args& args, const DepthwiseInt8Layout& layout, int64_t begin, int64_t end,
                     uint8_t* scratch) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D16()));
  const DepthwiseShape& s = *args.shape;
  const int64_t out_channels = args.plan->out_channels;
  int16_t* even = reinterpret_cast<int16_t*>(scratch + layout.weights_at);
  int16_t* odd = even + layout.pair_rows * s.kernel_w * 2 * lanes;
  float* scale = reinterpret_cast<float*>(scratch + layout.constants_at);
  float* bias = scale + lanes;
  for (int64_t i = begin; i < end; ++i) {
    const DepthwisePlan::Unit unit = args.plan->unit(s, i);
    if (unit.rows == 0) continue;
    const int64_t last = std::min((unit.group + 1) * kDepthwiseGroup, out_channels);
    for (int64_t c = unit.group * kDepthwiseGroup; c < last; c += lanes) {
      Block b;
      b.channel = c;
      b.channels = std::min(lanes, last - c);
      b.weights[0] = even;
      b.weights[1] = odd;
      b.scale = scale;
      b.bias = bias;
      b.acc = reinterpret_cast<float*>(scratch + layout.acc_at);
      prepare_weights(s, out_channels, args.weights, b, layout.pair_rows, args.plan->v_stride % 2 != 0, even, odd);
      prepare_constants(args, scale, bias, b);
      if (args.src_signed) {
        run_block<int8_t>(args, unit, layout, b, scratch);
      } else {
        run_block<uint8_t>(args, unit, layout, b, scratch);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(depthwise_lanes);
HWY_EXPORT(depthwise_units);

DepthwiseInt8Layout layout_of(const DepthwiseShape& shape) {
  return DepthwiseInt8Layout(shape, static_cast<int64_t>(HWY_DYNAMIC_DISPATCH(depthwise_lanes)()));
}

}  // namespace

size_t depthwise_int8_packed_bytes(const DepthwiseShape& s) {
  return static_cast<size_t>(s.kernel_h * s.kernel_w * s.channels * s.multiplier);
}

// TensorFlow's order is already the one that vectors over channels want.
void depthwise_int8_pack(const DepthwiseShape& s, const int8_t* weights, void* packed) {
  std::memcpy(packed, weights, depthwise_int8_packed_bytes(s));
}

size_t depthwise_int8_workspace_bytes(const DepthwiseShape& shape, int threads) {
  return layout_of(shape).bytes * static_cast<size_t>(std::max(threads, 1));
}

void depthwise_int8_run(const DepthwiseShape& shape, Elem src_elem, const void* src, const void* packed,
                        const Epilogue& epilogue, void* dst, void* workspace, int threads) {
  if (shape.batch * shape.out_h * shape.out_w * shape.channels == 0) return;
  const DepthwiseInt8Layout layout = layout_of(shape);
  const DepthwisePlan plan = plan_depthwise(shape, 1, threads);
  const DepthwiseInt8Args args{&shape,
                               &plan,
                               src_elem == Elem::S8,
                               static_cast<const uint8_t*>(src),
                               static_cast<const int8_t*>(packed),
                               &epilogue,
                               static_cast<uint8_t*>(dst)};
  // About 0.05 ns per tap and channel on one 3.5 GHz AVX2 core.
  const double total_ns = 0.05 * static_cast<double>(shape.batch * shape.out_h * shape.out_w * plan.out_channels *
                                                     shape.kernel_h * shape.kernel_w);
  parallel_ranges(plan.units, useful_threads(threads, total_ns, plan.units),
                  [&](int64_t begin, int64_t end, int thread) {
                    uint8_t* scratch = static_cast<uint8_t*>(workspace) + layout.bytes * static_cast<size_t>(thread);
                    HWY_DYNAMIC_DISPATCH(depthwise_units)(args, layout, begin, end, scratch);
                  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
