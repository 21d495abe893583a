// SPDX-License-Identifier: Apache-2.0
#include "module.h"

NB_MODULE(_core, m) {
  using namespace tfengine::python;
  m.doc() = "tfengine's C++ library. Use the package `tfengine`, which adds argument forms and documentation.";
  m.attr("__version__") = TFE_VERSION;
  bind_errors(m);
  bind_model(m);
  bind_data(m);
  bind_calibration(m);
  bind_table(m);
  bind_memory(m);
  bind_engine(m);
  bind_convert(m);
  bind_tune(m);
  bind_graph_def(m);
  bind_gpu(m);
}
