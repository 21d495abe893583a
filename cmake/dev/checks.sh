# Format and lint of ./dev.

tracked() { git ls-files --cached --others --exclude-standard -- "$@"; }
cpp_files() { tracked '*.cpp' '*.h' '*.cu' '*.cuh'; }

readonly RUFF=("$VENV/bin/ruff" --quiet --isolated)
readonly RUFF_OPTIONS=(--no-cache --line-length 110)

setup_checks() {
  setup_packages "${APT_CHECKS[@]}"
  setup_requirements test
}

cmd_format() {
  setup_checks
  local clang=(-i) ruff=()
  if [[ ${1:-} == --check ]]; then
    clang=(--dry-run --Werror)
    ruff=(--check)
  fi
  local differ=0
  cpp_files | xargs -r -P "$JOBS" -n 20 clang-format "${clang[@]}" || differ=1
  tracked '*.py' '*.pyi' | xargs -r "${RUFF[@]}" format "${RUFF_OPTIONS[@]}" "${ruff[@]}" || differ=1
  [[ $differ -eq 0 ]] || die "files differ from the format: run ./dev format"
}

# The C++ sources to lint: named ones, every one, or those that differ from the main branch.
lint_files() {
  local base
  case ${1:-} in
    '')
      base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD)
      { git diff --name-only --diff-filter=d "$base" && git ls-files --others --exclude-standard; } |
        grep '\.cpp$' || true
      ;;
    --all) cpp_files | grep '\.cpp$' || true ;;
    *) printf '%s\n' "$@" ;;
  esac
}

cmd_lint() {
  setup_checks
  setup_build
  "$VENV/bin/python" -m pytest -q tests/repo
  tracked '*.py' | xargs -r "${RUFF[@]}" check "${RUFF_OPTIONS[@]}" --select E9,F || die "ruff has findings"
  local files
  files=$(lint_files "$@")
  [[ -n $files ]] || { say "clang-tidy: no C++ file to check"; return; }
  say "clang-tidy on $(wc -l <<<"$files") files"
  xargs -P "$JOBS" -n 4 clang-tidy --quiet -p "$BUILD" <<<"$files" || die "clang-tidy has findings"
}
