// SPDX-License-Identifier: Apache-2.0
// Every op by its own definition (ops/): slow, exact, the backend that takes what no other does.
#pragma once

#include "plan/backend.h"

namespace tfengine::reference {

const plan::Backend& reference_backend();

}  // namespace tfengine::reference
