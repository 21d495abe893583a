// SPDX-License-Identifier: Apache-2.0
#include "backends/list.h"

#include "backends/cuda/backend.h"
#include "backends/onednn/backend.h"
#include "backends/reference/backend.h"
#include "base/check.h"

namespace tfengine {

std::vector<const plan::Backend*> backends_by_name(const std::string& name) {
  if (name.empty() || name == "onednn") return {&onednn::onednn_backend(), &reference::reference_backend()};
  if (name == "reference") return {&reference::reference_backend()};
  if (name == "cuda") fail<InvalidArgument>("backend 'cuda': {}", cuda::why_absent());
  fail<InvalidArgument>("backend '{}' is unknown, expected 'onednn', 'reference' or 'cuda'", name);
}

void drop_planning_code() noexcept { onednn::drop_planning_code(); }

}  // namespace tfengine
