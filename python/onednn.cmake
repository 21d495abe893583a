# In the environment that builds the wheel, oneDNN is a Python package with its CMake package inside: this finds it.
find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
execute_process(
  COMMAND ${Python_EXECUTABLE} -c [[
import importlib.metadata
for file in importlib.metadata.files("onednn-devel-cpu-gomp"):
    if file.name == "dnnl-config.cmake":
        print(file.locate().resolve().parent.as_posix())
]]
  OUTPUT_VARIABLE dnnl_DIR OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
