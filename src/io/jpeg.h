// SPDX-License-Identifier: Apache-2.0
// What the two picture decoders share. (libjpeg's header is seen by jpeg.cpp alone: it defines common names as macros.)
#pragma once

#include <cstdint>

namespace tfengine::io {

// InvalidModel when a picture is empty or so large that it can only be meant to exhaust memory.
void check_image_size(int64_t height, int64_t width);

}  // namespace tfengine::io
