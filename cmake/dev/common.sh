# Messages and small helpers of ./dev.

say() { printf '== %s\n' "$*"; }

die() {
  printf 'dev: %s\n' "$*" >&2
  exit 1
}

# Those of the given paths that exist.
existing() {
  local path
  for path in "$@"; do [[ -e $path ]] && printf '%s\n' "$path"; done
  return 0
}

# Runs a command with its output in a log file; shows the log's end only if the command fails.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 && return
  tail -n 40 "$log" >&2
  die "failed: $* (whole output in $log)"
}

hash_of() { sha256sum "$@" | sha256sum | cut -c1-16; }
