// SPDX-License-Identifier: Apache-2.0
// Convolutions and matrix products with constant weights, as oneDNN runs them: their arguments, and a tactic for each of
// the implementations that it lists.
#pragma once

#include <algorithm>

#include "backends/onednn/dnnl_kernel.h"

namespace tfengine::onednn {

struct WeightedListing {
  std::string prefix;        // of the tactics' names
  dnnl::memory::desc given;  // how step input 1 is stored
  bool in_place = false;     // on the residual
  int most = 1;              // implementations to look at
  std::string skip;          // those with this in their name are left out; empty: none
  bool alone = false;        // made and run so (Alone)
};

// Source, weights (packed into the store), bias, result and scratchpad; for INT8 the scales of source and weights, and of
// the result where it is INT8 too.
std::vector<DnnlArg> weighted_args(const dnnl::primitive_desc_base& pd, const StepSpec& spec,
                                   const dnnl::memory::desc& given, PackedStore& store);

// A tactic per implementation, in oneDNN's own order, which is best first. Each is listed once and named without its place
// in the list: from descriptors that its primitive cache knows, oneDNN's iterator goes on with implementations that it gave
// before, so that the place depends on what else the process has made, and an engine file's choice would not be found.
template <typename Primitive>
void add_weighted_tactics(const WeightedListing& listing, typename Primitive::primitive_desc pd, const StepSpec& spec,
                          std::vector<Tactic>& tactics) {
  const bool int8 = is_int8(spec.inputs[0].dtype);
  std::vector<std::string> seen;
  do {
    const std::string name = pd.impl_info_str();
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
    seen.push_back(name);
    if (!listing.skip.empty() && name.find(listing.skip) != std::string::npos) continue;
    if (int8 && !is_exact_int8(name)) continue;
    // The library's plain loops are hundreds of times slower than the rest: only when there is nothing else.
    if (name.starts_with("ref") && !tactics.empty()) break;
    Tactic tactic;
    tactic.name = listing.prefix + name;
    tactic.workspace_bytes = pd.scratchpad_desc().get_size();
    if (listing.in_place) tactic.inplace_input = spec.node->epilogue.residual;
    tactic.prepare = [pd = detached(pd), spec, given = listing.given, alone = listing.alone](PackedStore& store) {
      const Alone team(alone);
      return dnnl_kernel(Primitive(pd), weighted_args(pd, spec, given, store), alone);
    };
    tactics.push_back(std::move(tactic));
  } while (static_cast<int>(seen.size()) < listing.most && pd.next_impl());
}

}  // namespace tfengine::onednn
