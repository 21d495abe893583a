// SPDX-License-Identifier: Apache-2.0
// Marks what libtfengine exports; everything else is hidden.
#pragma once

#define TFE_API __attribute__((visibility("default")))
