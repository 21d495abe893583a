// SPDX-License-Identifier: Apache-2.0
// The operations on what TRTEngineOps of one name share. Their CPU kernels register themselves.
#pragma once

namespace tfengine::plugin {

// Called once, where there are GPU kernels.
void register_gpu_resource_kernels();

}  // namespace tfengine::plugin
