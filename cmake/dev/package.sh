# The packages that users install, proven the way users get them (./dev package).

cmd_package() {
  setup_build
  local python folder=$BUILD/package
  python=$(find_python)
  rm -rf "$folder"
  mkdir -p "$folder/elsewhere"
  say "building the wheel in an environment of pip's own"
  package_wheel "$python" "$folder/plain"
  package_check "$python" "$folder/plain" wheel_check.py
  compgen -G "$VENV/.installed-tensorflow-*" >/dev/null || return 0
  say "building the wheel with the TensorFlow op library, in ${VENV#"$ROOT/"}/"
  package_wheel "$VENV/bin/python" "$folder/tensorflow" --no-build-isolation
  package_check "$VENV/bin/python" "$folder/tensorflow" wheel_tensorflow_check.py -r "$ROOT/requirements/tensorflow.txt"
}

# package_wheel PYTHON FOLDER [PIP ARGUMENTS...]
package_wheel() {
  local python=$1 folder=$2
  shift 2
  CMAKE_CXX_COMPILER_LAUNCHER=ccache quietly "$BUILD/log/wheel.log" \
    "$python" -m pip --disable-pip-version-check wheel --no-deps -w "$folder" "$@" "$ROOT"
}

# package_check PYTHON FOLDER SCRIPT [PIP ARGUMENTS...]: the script in a fresh environment with the folder's wheel.
package_check() {
  local python=$1 folder=$2 script=$3
  shift 3
  say "installing it into a fresh virtual environment"
  "$python" -m venv "$folder/venv"
  quietly "$BUILD/log/wheel-install.log" \
    "$folder/venv/bin/python" -m pip --disable-pip-version-check install "$folder"/tfengine-*.whl "$@"
  # -I: neither the folder it starts in nor PYTHONPATH can stand in for what was installed.
  (cd "$BUILD/package/elsewhere" && "$folder/venv/bin/python" -I "$ROOT/tests/package/$script" "$ROOT/examples/digits")
  say "the wheel works: $(ls "$folder"/tfengine-*.whl)"
}
