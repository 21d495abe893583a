# Installs BUILD under SCRATCH, builds SOURCE/examples as a project of its own against that, and runs what came of it.
set(prefix ${SCRATCH}/prefix)
set(project ${SCRATCH}/project)
file(REMOVE_RECURSE ${prefix} ${project})

# run(WHAT COMMAND...): stops with the output when the command fails; leaves the output in `output`.
function(run what)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${SOURCE}
    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what} failed (${result}):\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run("installing" ${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
# The examples alone, so that nothing of the build lies near.
file(COPY ${SOURCE}/examples/CMakeLists.txt ${SOURCE}/examples/bounded_memory.cpp ${SOURCE}/examples/classify.cpp
  DESTINATION ${project}/source)
run("configuring" ${CMAKE_COMMAND} -S ${project}/source -B ${project}/build -G ${GENERATOR}
  -D CMAKE_CXX_COMPILER=${CXX} -D CMAKE_PREFIX_PATH=${prefix})
run("building" ${CMAKE_COMMAND} --build ${project}/build)
run("classify" ${project}/build/example_classify)
string(REGEX MATCHALL "image +[0-9]+ is a [0-9] \\(" lines "${output}")
list(LENGTH lines count)
if(NOT count EQUAL 16)
  message(FATAL_ERROR "classify told ${count} images, expected 16:\n${output}")
endif()

run("bounded_memory" ${project}/build/example_bounded_memory)
string(REGEX MATCH "in use ([0-9]+) of 4194304 bytes, reported ([0-9]+)\n" line "${output}")
if(NOT line OR NOT CMAKE_MATCH_1 EQUAL CMAKE_MATCH_2)
  message(FATAL_ERROR "bounded_memory uses something else than it reports:\n${output}")
endif()

run("the installed command line" ${prefix}/bin/tfengine inspect examples/digits/cnn.pb)

# Relocatable: nothing installed may name the folders that it was made in.
file(GLOB_RECURSE scripts ${prefix}/*.cmake)
foreach(script IN LISTS scripts)
  file(READ ${script} text)
  foreach(place IN ITEMS ${BUILD} ${SOURCE} ${prefix})
    string(FIND "${text}" ${place} at)
    if(NOT at EQUAL -1)
      message(FATAL_ERROR "${script} names ${place}")
    endif()
  endforeach()
endforeach()
foreach(binary IN ITEMS lib/libtfengine.so bin/tfengine)
  run("readelf" readelf -d ${prefix}/${binary})
  string(FIND "${output}" ${SOURCE} at)
  if(NOT at EQUAL -1)
    message(FATAL_ERROR "the run path of ${binary} leads to the sources:\n${output}")
  endif()
endforeach()
