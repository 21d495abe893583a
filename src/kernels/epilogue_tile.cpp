// SPDX-License-Identifier: Apache-2.0
#include "kernels/epilogue_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/epilogue_tile.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/epilogue_hwy-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {

void finish_int32_tile(const Epilogue& e, const EpilogueTile<int32_t>& t) { epilogue_tile(e, t); }
void finish_float_tile(const Epilogue& e, const EpilogueTile<float>& t) { epilogue_tile(e, t); }

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
HWY_EXPORT(finish_int32_tile);
HWY_EXPORT(finish_float_tile);

void finish_tile(const Epilogue& e, const EpilogueTile<int32_t>& t) { HWY_DYNAMIC_DISPATCH(finish_int32_tile)(e, t); }
void finish_tile(const Epilogue& e, const EpilogueTile<float>& t) { HWY_DYNAMIC_DISPATCH(finish_float_tile)(e, t); }

}  // namespace tfengine::kernels
#endif
