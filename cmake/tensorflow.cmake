# The TensorFlow of the Python environment, if there is one: what the op library is built against. Sets
# TFENGINE_TENSORFLOW_DIR (empty without one), _VERSION and _FLAGS.
option(TFENGINE_BUILD_TENSORFLOW "Build the TensorFlow op library where TensorFlow is installed" ON)
set(TFENGINE_TENSORFLOW_DIR "")
if(TFENGINE_BUILD_TENSORFLOW)
  find_package(Python 3.10 COMPONENTS Interpreter)
  # Importing TensorFlow would take seconds; its metadata say all.
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c [[
import importlib.metadata, importlib.util, pathlib
spec = importlib.util.find_spec("tensorflow")
if spec and spec.origin:
    for name in ("tensorflow_cpu", "tensorflow"):
        try:
            print(pathlib.Path(spec.origin).parent.as_posix(), importlib.metadata.version(name), sep=";")
            break
        except importlib.metadata.PackageNotFoundError:
            pass
]]
    OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(found)
    list(GET found 0 TFENGINE_TENSORFLOW_DIR)
    list(GET found 1 TFENGINE_TENSORFLOW_VERSION)
    # What tf.sysconfig.get_compile_flags() says, without its language standard: ours is newer.
    set(TFENGINE_TENSORFLOW_FLAGS -D_GLIBCXX_USE_CXX11_ABI=1 -DEIGEN_MAX_ALIGN_BYTES=64)
    message(STATUS "TensorFlow ${TFENGINE_TENSORFLOW_VERSION}: building the op library")
  else()
    message(STATUS "TensorFlow is not installed: the op library is left out")
  endif()
endif()
