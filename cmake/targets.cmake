# One static library per folder of src/; include paths are the same for all: the folder structure is the module system,
# and tests/repo/test_layering.py holds it.

if(TFENGINE_FUZZ OR TFENGINE_SANITIZE)
  add_compile_options(-g1 -fsanitize=address)
  add_link_options(-fsanitize=address)
endif()

# tfe_library(NAME SOURCES file... [DEPS target...])
function(tfe_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(tfe_${name} STATIC ${ARG_SOURCES})
  target_include_directories(tfe_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(tfe_${name} PRIVATE -Wall -Wextra -Wshadow -Wnon-virtual-dtor)
  target_link_libraries(tfe_${name} PUBLIC ${ARG_DEPS})
  if((TFENGINE_FUZZ OR TFENGINE_SANITIZE) AND name STREQUAL kernels)
    # Kernels see no files, and instrumented vector code takes minutes to compile.
    target_compile_options(tfe_${name} PRIVATE -fno-sanitize=address)
  elseif(TFENGINE_FUZZ)
    target_compile_options(tfe_${name} PRIVATE -fsanitize-coverage=trace-pc,trace-cmp)
  endif()
endfunction()

# tfe_test(NAME SOURCES file... [DEPS target...]): one GoogleTest program, one CTest entry.
function(tfe_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_options(${name} PRIVATE -Wall -Wextra)
  target_compile_definitions(${name} PRIVATE TFE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "OMP_NUM_THREADS=2")
endfunction()
