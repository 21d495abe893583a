# Format and lint of ./dev.

tracked() { git ls-files --cached --others --exclude-standard -- "$@"; }
python_files() { tracked '*.py' '*.pyi'; }
cpp_files() { tracked '*.cpp' '*.h' '*.cu' '*.cuh'; }

readonly RUFF=("$VENV/bin/ruff" --quiet --isolated)
readonly RUFF_OPTIONS=(--no-cache --line-length 120)

cmd_format() {
  setup_requirements lint
  local clang=("$VENV/bin/clang-format") ruff=("${RUFF[@]}" format "${RUFF_OPTIONS[@]}")
  if [[ ${1:-} != --check ]]; then
    cpp_files | xargs -r "${clang[@]}" -i
    python_files | xargs -r "${ruff[@]}"
    return
  fi
  local differ
  differ=$({
    cpp_files | xargs -r "${clang[@]}" --dry-run 2>&1 | sed -n 's/:[0-9]*:[0-9]*: warning: .*//p'
    python_files | xargs -r "${ruff[@]}" --check 2>&1 | sed -n 's/^ *--> \([^:]*\):.*/\1/p'
  } | sort -u || true)
  [[ -z $differ ]] || die "not as ./dev format leaves them:"$'\n'"$differ"
}

# Of C++ sources on standard input, all but those of the GPU backend in a build without it, which may have no CUDA headers.
without_absent_gpu() {
  local file skipped=0
  while read -r file; do
    if [[ $file != */cuda/* && $file != bench/gpu.cpp ]] || grep -qF "$ROOT/$file\"" "$BUILD/compile_commands.json"; then
      echo "$file"
    else
      skipped=$((skipped + 1))
    fi
  done
  [[ $skipped -eq 0 ]] || say "clang-tidy: $skipped files of the GPU backend are not part of this build, and are not checked" >&2
}

# The C++ sources to lint: named ones, every one but the tests', or of these what differs from the main branch.
lint_files() {
  local base
  case ${1:-} in
    '')
      base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD)
      { git diff --name-only --diff-filter=d "$base" && git ls-files --others --exclude-standard; } |
        grep '\.cpp$' | grep -v '^tests/' || true
      ;;
    --all) tracked '*.cpp' | grep -v '^tests/' || true ;;
    *) printf '%s\n' "$@" ;;
  esac
}

cmd_lint() {
  setup_build
  setup_requirements test lint
  "$VENV/bin/python" -m pytest --quiet tests/repo
  python_files | xargs -r "${RUFF[@]}" check "${RUFF_OPTIONS[@]}" --select E9,F || die "ruff has findings"
  local files
  files=$(lint_files "$@" | without_absent_gpu)
  [[ -n $files ]] || { say "clang-tidy: no C++ file to check"; return; }
  say "clang-tidy on $(wc -l <<<"$files") files"
  # clang reads g++'s commands, but has no omp.h of its own.
  mkdir -p "$BUILD/lint"
  ln -sfn "$(g++ -print-file-name=include/omp.h)" "$BUILD/lint/omp.h"
  xargs -P "$JOBS" -n 4 "$VENV/bin/clang-tidy" --quiet -p "$BUILD" "--extra-arg=-isystem$BUILD/lint" <<<"$files" ||
    die "clang-tidy has findings"
}
