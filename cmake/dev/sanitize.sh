# Memory errors and leaks (./dev sanitize): an instrumented build in build/sanitize/, and the tests of memory in it.

readonly SANITIZE=$BUILD/sanitize
readonly SANITIZE_TESTS=(base_allocator_test base_process_memory_test compiler_engine_cache_test
  compiler_memory_faults_test compiler_memory_limits_test compiler_new_faults_test compiler_workspace_test)

# ./dev sanitize [TEST...]: every allocation of a conversion, a calibration, a load and a run fails once.
cmd_sanitize() {
  local tests=("$@") test failed=()
  [[ $# -gt 0 ]] || tests=("${SANITIZE_TESTS[@]}")
  setup_build
  if [[ ! -e $SANITIZE/build.ninja ]]; then
    quietly "$BUILD/log/sanitize-configure.log" cmake -S "$ROOT" -B "$SANITIZE" -G Ninja -DTFENGINE_SANITIZE=ON \
      -DTFENGINE_BUILD_TOOLS=OFF -DTFENGINE_BUILD_PYTHON=OFF -DTFENGINE_BUILD_TENSORFLOW=OFF \
      -DCMAKE_BUILD_TYPE=Release "-DCMAKE_PREFIX_PATH=$VENV" "-DPython_EXECUTABLE=$VENV/bin/python"
  fi
  ninja -C "$SANITIZE" -j "$JOBS" "${tests[@]}"
  # A size that memory lacks is a refusal, as of the system.
  export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1 OMP_NUM_THREADS=1 TFENGINE_EVERY_FAULT=1
  for test in "${tests[@]}"; do
    say "$test"
    local program
    program=$(find "$SANITIZE/tests" -name "$test" -type f -perm -u+x)
    "$program" >"$SANITIZE/$test.log" 2>&1 || failed+=("$test")
    grep -E '^\[  (PASSED|FAILED)|SUMMARY|ERROR: |allocations, every' "$SANITIZE/$test.log" || true
  done
  [[ ${#failed[@]} -eq 0 ]] || die "findings in ${failed[*]}: see $SANITIZE/*.log"
}
