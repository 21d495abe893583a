// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/int8_conv.h"

#include <fmt/core.h>

namespace tfengine::onednn {

void add_int8_conv_tactics(const StepSpec& spec, const kernels::ConvShape& shape, const Tensor& weights,
                           const std::vector<float>& scales, std::vector<Tactic>& tactics) {
  auto fused = FusedEpilogue::make(spec, scales, shape.out_c);
  const auto elem = elem_of(spec.inputs[0].dtype);
  if (!fused || !elem || weights.dtype() != DType::S8) return;
  fused->remove_source_zero(spec, weights);
  const int threads = spec.threads;
  for (const kernels::ConvInt8Algo algo : kernels::kConvInt8Algos) {
    Tactic tactic;
    tactic.name = fmt::format("own:conv_int8:{}", kernels::conv_int8_name(algo));
    if (!spec.wanted.empty() && spec.wanted != tactic.name) continue;
    // Winograd's proof that no sum overflows goes over all weights; a wanted tactic had it when it was chosen.
    const int8_t* judged = spec.wanted.empty() ? weights.as<int8_t>() : nullptr;
    if (!kernels::conv_int8_supports(algo, shape, *elem, judged)) continue;
    tactic.workspace_bytes = kernels::conv_int8_workspace_bytes(algo, shape, *elem, threads);
    tactic.may_overwrite = fused->overwrites_residual();
    tactic.prepare = [=](PackedStore& store) {
      FusedEpilogue epilogue = *fused;
      epilogue.pack(store);
      // The packed form depends on the weights and the algorithm, not on the image's size.
      const size_t bytes = kernels::conv_int8_packed_bytes(algo, shape);
      const auto packed = store.get(weights, fmt::format("conv_int8:{}", kernels::conv_int8_name(algo)), bytes,
                                    [&](void* to) { kernels::conv_int8_pack(algo, shape, weights.as<int8_t>(), to); });
      return plan::function_kernel(
          [=](const StepArgs& args) {
            kernels::conv_int8_run(algo, shape, *elem, args.src[0], packed.get(), epilogue.bound(args), args.dst[0],
                                   args.workspace, threads,
                                   {args.ahead.data(), static_cast<int64_t>(args.ahead.size())});
          },
          {1}, {static_cast<const std::byte*>(packed.get()), bytes});
    };
    tactics.push_back(std::move(tactic));
  }
}

}  // namespace tfengine::onednn
