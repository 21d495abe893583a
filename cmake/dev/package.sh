# The packages that users install, proven the way users get them (./dev package).

cmd_package() {
  setup_packages "${APT_PACKAGES[@]}"
  local python folder=$BUILD/package
  python=$(find_python)
  rm -rf "$folder"
  mkdir -p "$folder/elsewhere"
  say "building the wheel in an environment of pip's own"
  quietly "$BUILD/log/wheel.log" "$python" -m pip --disable-pip-version-check wheel --no-deps -w "$folder" "$ROOT"
  say "installing it into a fresh virtual environment"
  "$python" -m venv "$folder/venv"
  quietly "$BUILD/log/wheel-install.log" \
    "$folder/venv/bin/python" -m pip --disable-pip-version-check install "$folder"/tfengine-*.whl
  # -I: neither the folder it starts in nor PYTHONPATH can stand in for what was installed.
  (cd "$folder/elsewhere" && "$folder/venv/bin/python" -I "$ROOT/tests/package/wheel_check.py" "$ROOT/examples/digits")
  say "the wheel works: $(ls "$folder"/tfengine-*.whl)"
}
