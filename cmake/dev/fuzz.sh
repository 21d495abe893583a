# Hostile files (./dev fuzz): an instrumented build in build/fuzz/, and libFuzzer over its targets.

readonly FUZZ=$BUILD/fuzz
readonly FUZZ_TARGETS=(arrays engine graph_def histograms images index records saved_model tables)

# Folders or files that a target starts from.
fuzz_seeds() {
  local data=$ROOT/tests/tfgraph/data
  case $1 in
    arrays) ls "$ROOT"/tests/io/data/*.np[yz] ;;
    engine | histograms) ls "$FUZZ/seeds/$1"/* ;;
    graph_def) ls "$data"/*.pb; find "$ROOT/tests/golden" -name graph.pb ;;
    images) ls "$ROOT"/tests/io/data/*.jpg "$ROOT"/tests/io/data/*.png ;;
    index) ls "$data"/*/variables/variables.index ;;
    records) ls "$ROOT"/tests/io/data/*.tfrecord ;;
    saved_model) ls "$data"/*/saved_model.pb ;;
    tables) ls "$ROOT"/tests/fuzz/tables/* ;;
  esac
}

fuzz_build() {
  setup_build
  setup_packages libclang-rt-14-dev
  if [[ ! -e $FUZZ/build.ninja ]]; then
    quietly "$BUILD/log/fuzz-configure.log" cmake -S "$ROOT" -B "$FUZZ" -G Ninja -DTFENGINE_FUZZ=ON \
      -DTFENGINE_BUILD_TOOLS=OFF -DTFENGINE_BUILD_PYTHON=OFF -DTFENGINE_BUILD_TESTS=OFF \
      -DCMAKE_BUILD_TYPE=Release "-DCMAKE_PREFIX_PATH=$VENV" "-DPython_EXECUTABLE=$VENV/bin/python"
  fi
  ninja -C "$FUZZ" -j "$JOBS" fuzz_seeds "${@/#/fuzz_}"
  # Seeds of an older format would teach nothing.
  if [[ ! $FUZZ/seeds -nt $FUZZ/tests/fuzz/fuzz_seeds ]]; then
    rm -rf "$FUZZ/seeds"
    "$FUZZ/tests/fuzz/fuzz_seeds" "$ROOT/tests/golden" "$FUZZ/seeds"
    touch "$FUZZ/seeds"
  fi
}

# ./dev fuzz [SECONDS [TARGET...]]: each target for SECONDS. What a run learns is kept in build/fuzz/corpus/ for the next.
cmd_fuzz() {
  local seconds=${1:-60} target failed=()
  [[ $seconds =~ ^[0-9]+$ ]] || die "fuzz: got '$seconds', expected a number of seconds for each target"
  shift $(($# > 0))
  local targets=("$@")
  [[ $# -gt 0 ]] || targets=("${FUZZ_TARGETS[@]}")
  for target in "${targets[@]}"; do
    [[ " ${FUZZ_TARGETS[*]} " == *" $target "* ]] || die "fuzz: unknown target '$target', expected ${FUZZ_TARGETS[*]}"
  done
  fuzz_build "${targets[@]}"
  # Sizes that a file asks for and memory lacks are answers: the allocator says so, as the system's does.
  export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=0:max_allocation_size_mb=1024 OMP_NUM_THREADS=1
  for target in "${targets[@]}"; do
    say "$target, $seconds s"
    mkdir -p "$FUZZ/corpus/$target" "$FUZZ/findings"
    fuzz_seeds "$target" | while read -r seed; do
      cp "$seed" "$FUZZ/corpus/$target/seed-$(echo "$seed" | hash_of -)"
    done
    "$FUZZ/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -max_len=8192 \
      -malloc_limit_mb=0 -print_final_stats=1 -artifact_prefix="$FUZZ/findings/$target-" "$FUZZ/corpus/$target" \
      >"$FUZZ/$target.log" 2>&1 || failed+=("$target")
    grep -E 'SUMMARY|Test unit written|number_of_executed_units|what\(\)' "$FUZZ/$target.log" || true
  done
  [[ ${#failed[@]} -eq 0 ]] || die "findings in ${failed[*]}: see $FUZZ/*.log; the inputs are in $FUZZ/findings/"
}
