# Format and lint of ./dev.

cpp_files() { git ls-files --cached --others --exclude-standard -- '*.cpp' '*.h' '*.cu' '*.cuh'; }

cmd_format() {
  setup_packages "${APT_CHECKS[@]}"
  local mode=(-i)
  [[ ${1:-} == --check ]] && mode=(--dry-run --Werror)
  cpp_files | xargs -r -P "$JOBS" -n 20 clang-format "${mode[@]}" || die "files differ from .clang-format: run ./dev format"
}

# The C++ sources to lint: named ones, every one, or those that differ from the main branch.
lint_files() {
  case ${1:-} in
    '') { git diff --name-only --diff-filter=d "$(git merge-base HEAD origin/main 2>/dev/null || echo HEAD)"
          git ls-files --others --exclude-standard; } | grep '\.cpp$' || true ;;
    --all) cpp_files | grep '\.cpp$' || true ;;
    *) printf '%s\n' "$@" ;;
  esac
}

cmd_lint() {
  setup_packages "${APT_CHECKS[@]}"
  setup_build
  setup_requirements test
  "$VENV/bin/python" -m pytest -q tests/repo
  local files
  files=$(lint_files "$@")
  [[ -n $files ]] || { say "clang-tidy: no C++ file to check"; return; }
  say "clang-tidy on $(wc -l <<<"$files") files"
  xargs -P "$JOBS" -n 4 clang-tidy --quiet -p "$BUILD" <<<"$files" || die "clang-tidy has findings"
}
