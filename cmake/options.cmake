option(TFENGINE_BUILD_TOOLS "Build the command line" ON)
option(TFENGINE_BUILD_PYTHON "Build the Python module" ON)
option(TFENGINE_BUILD_TESTS "Build the tests" ON)
option(TFENGINE_BUILD_BENCHMARKS "Build the C++ micro-benchmarks" OFF)
option(TFENGINE_SANITIZE "Instrument everything with AddressSanitizer (./dev sanitize)" OFF)
option(TFENGINE_CUDA "Build the NVIDIA GPU backend: needs nvcc and cuDNN's headers, nothing of them at link time" OFF)
option(TFENGINE_FUZZ "Instrument the library and build the fuzz targets (./dev fuzz)" OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# What we leave visible can be interposed by, or interpose, TensorFlow's own symbols in one process.
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
# Checks stay in every build: library code uses check(), not assert(). -O2 compiles in half the time of -O3 and the
# kernels that matter are written with explicit vectors.
set(CMAKE_CXX_FLAGS_RELEASE "-O2")

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
