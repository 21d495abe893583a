// SPDX-License-Identifier: Apache-2.0
// The C++ family of exceptions as Python classes, which are also what Python calls such errors: ValueError, MemoryError.
#include "tfengine/error.h"

#include <nanobind/nanobind.h>

#include <string>
#include <string_view>
#include <utility>

#include "module.h"

namespace nb = nanobind;

namespace tfengine::python {

namespace {

// They live as long as the process: an exception may be raised while the interpreter goes down.
struct Classes {
  PyObject* error;
  PyObject* invalid_model;
  PyObject* invalid_argument;
  PyObject* out_of_memory;
  PyObject* backend_failure;
  PyObject* internal_error;
};
Classes classes;

PyObject* new_class(nb::module_& m, const char* name, const char* doc, const nb::object& bases) {
  const std::string qualified = std::string("tfengine.") + name;
  PyObject* made = PyErr_NewExceptionWithDoc(qualified.c_str(), doc, bases.ptr(), nullptr);
  if (made == nullptr) throw nb::python_error();
  m.attr(name) = nb::handle(made);
  return made;
}

template <typename... Attributes>
void raise(PyObject* type, const Error& error, const Attributes&... attributes) {
  // Messages quote files and names, which need not be UTF-8.
  const std::string_view text = error.what();
  const nb::object message =
      nb::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
  if (!message.is_valid()) throw nb::python_error();
  nb::object value = nb::handle(type)(message);
  ((value.attr(attributes.first) = attributes.second), ...);
  PyErr_SetObject(type, value.ptr());
}

void translate(const std::exception_ptr& thrown, void*) {
  const auto number = [](uint64_t bytes) { return bytes == UINT64_MAX ? nb::object(nb::none()) : nb::cast(bytes); };
  try {
    std::rethrow_exception(thrown);
  } catch (const OutOfMemory& error) {
    const MemoryRefusal& refusal = error.refusal();
    raise(classes.out_of_memory, error, std::pair("requested_bytes", refusal.requested_bytes),
          std::pair("purpose", refusal.purpose.c_str()), std::pair("what", refusal.what.c_str()),
          std::pair("engine", refusal.engine.c_str()), std::pair("in_use_bytes", refusal.in_use_bytes),
          std::pair("limit_bytes", number(refusal.limit_bytes)),
          std::pair("largest_free_bytes", number(refusal.largest_free_bytes)),
          std::pair("setting", refusal.setting.c_str()));
  } catch (const BackendFailure& error) {
    raise(classes.backend_failure, error, std::pair("code", error.code()));
  } catch (const InvalidModel& error) {
    raise(classes.invalid_model, error);
  } catch (const InvalidArgument& error) {
    raise(classes.invalid_argument, error);
  } catch (const InternalError& error) {
    raise(classes.internal_error, error);
  } catch (const Error& error) {
    raise(classes.error, error);
  }
}

}  // namespace

void bind_errors(nb::module_& m) {
  classes.error =
      new_class(m, "Error", "The base of all errors that tfengine raises.", nb::borrow(nb::handle(PyExc_RuntimeError)));
  const nb::handle base(classes.error), value_error(PyExc_ValueError), memory_error(PyExc_MemoryError);
  classes.invalid_model =
      new_class(m, "InvalidModel", "A model, engine, calibration or data file is malformed, or holds what cannot run.",
                nb::make_tuple(base, value_error));
  classes.invalid_argument =
      new_class(m, "InvalidArgument", "A wrong option, shape, dtype or name was given, or a file is missing.",
                nb::make_tuple(base, value_error));
  classes.out_of_memory =
      new_class(m, "OutOfMemory",
                "An allocation was refused. `requested_bytes` of `purpose` memory were asked for, for "
                "`what` of `engine`; `in_use_bytes` were in use, `limit_bytes` is the limit (None: "
                "the system refused), `largest_free_bytes` is what one request could have had, "
                "`setting` what to raise. Everything stays usable.",
                nb::make_tuple(base, memory_error));
  classes.backend_failure =
      new_class(m, "BackendFailure", "A library or device failed; `code` is its own status value.", nb::borrow(base));
  classes.internal_error =
      new_class(m, "InternalError", "A defect of tfengine itself: please report it.", nb::borrow(base));
  nb::register_exception_translator(translate);
}

}  // namespace tfengine::python
