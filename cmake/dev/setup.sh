# What ./dev brings about before it works: Debian packages, the virtual environments, the build folder.
# Every step looks first whether it has anything to do, so a second run costs a fraction of a second.

readonly APT_PACKAGES=(
  ca-certificates ccache cmake flatbuffers-compiler g++ git libbenchmark-dev libcli11-dev libflatbuffers-dev
  libfmt-dev libgtest-dev libhwy-dev libjpeg62-turbo-dev libpng-dev libprotozero-dev ninja-build
  nlohmann-json3-dev pkg-config python3-dev python3-venv zlib1g-dev
)

setup_packages() {
  command -v dpkg-query >/dev/null || return 0 # not Debian: CMake names what it misses
  local package missing=() installed
  installed=" $(dpkg-query -W -f='${db:Status-Status}:${Package} ' "$@" 2>/dev/null || true)"
  for package in "$@"; do
    [[ $installed == *" installed:$package "* ]] || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  local as_root=()
  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null || die "as root, run: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing Debian packages: ${missing[*]}"
  quietly "$ROOT/build/log/apt-update.log" "${as_root[@]}" apt-get update -q
  quietly "$ROOT/build/log/apt-install.log" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# A Python of 3.10 or newer that can make virtual environments and has its headers.
find_python() {
  local candidate
  for candidate in python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.10; do
    "$candidate" - 2>/dev/null <<'PY' && { echo "$candidate"; return; }
import ensurepip, os, sys, sysconfig, venv
sys.exit(sys.version_info < (3, 10) or not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))
PY
  done
  die "no Python 3.10 or newer with venv and headers found (Debian: python3-venv, python3-dev)"
}

# make_venv FOLDER: makes it, or makes it anew if its Python no longer runs (a moved checkout).
make_venv() {
  "$1/bin/python" -c 'import sys; sys.exit(sys.prefix != sys.argv[1])' "$1" 2>/dev/null && return
  local python
  python=$(find_python)
  say "making $(basename "$1")/ with $("$python" --version)"
  rm -rf "$1"
  "$python" -m venv "$1"
}

# install_list VENV NAME: pip installs requirements/NAME.txt, unless that very list was installed before.
install_list() {
  local venv=$1 list=requirements/$2.txt stamp
  stamp=$venv/.installed-$2-$(hash_of "$list")
  [[ ! -e $stamp ]] || return 0
  say "installing $list into $(basename "$venv")/"
  "$venv/bin/python" -m pip --disable-pip-version-check install -q -r "$list" || return
  rm -f "$venv/.installed-$2-"*
  touch "$stamp"
}

setup_requirements() {
  make_venv "$VENV"
  local name
  for name in "$@"; do install_list "$VENV" "$name" || die "could not install requirements/$name.txt"; done
}

# setup_optional NAME WHAT-IT-IS-FOR: goes on without it if it cannot be had; tried again after a day.
setup_optional() {
  local refused=$VENV/.refused-$1
  [[ -z $(find "$refused" -mmin -1440 2>/dev/null) ]] || return 0
  install_list "$VENV" "$1" && return
  touch "$refused"
  say "going on without requirements/$1.txt: $2 is left out"
}

setup_build() {
  exec 9>"$ROOT/.dev.lock"
  flock 9 # two ./dev at once in one checkout would install over each other
  setup_packages "${APT_PACKAGES[@]}"
  setup_requirements build run
  local pth
  pth=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tfengine-build.pth
  [[ -e $pth ]] || echo "$BUILD/python" >"$pth"
  [[ -n $WITHOUT_TENSORFLOW ]] || setup_optional tensorflow "the TensorFlow op library"
  configure
  flock -u 9
}

configure() {
  local options=(
    -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DCMAKE_CXX_COMPILER_LAUNCHER=ccache
    "-DCMAKE_PREFIX_PATH=$VENV" "-DPython_EXECUTABLE=$VENV/bin/python"
  )
  # The op library is built against the TensorFlow that is there now: another one, or none, configures anew.
  local stamp tensorflow=("$VENV"/.installed-tensorflow-*)
  stamp=$BUILD/.configured-$(echo "${options[*]} ${tensorflow[*]##*/}" | hash_of -)
  [[ -e $stamp && -e $BUILD/build.ninja ]] && return
  say "configuring ${BUILD#"$ROOT/"}/"
  quietly "$BUILD/log/configure.log" cmake -S "$ROOT" -B "$BUILD" "${options[@]}"
  touch "$stamp"
}

# build_targets [TARGET...]: all by default. Ninja's own lines are shown only when it has something to do.
build_targets() {
  if ! ninja -C "$BUILD" -n "$@" 2>&1 | grep -q 'no work to do'; then
    say "building${*:+ $*}"
    ninja -C "$BUILD" -j "$JOBS" "$@"
  fi
  ln -sfn "../../${BUILD#"$ROOT/"}/tools/tfengine" "$VENV/bin/tfengine"
}

# The peers live apart: their pins must not decide what tfengine runs with.
setup_bench_venv() {
  make_venv "$ROOT/.venv-bench"
  install_list "$ROOT/.venv-bench" bench || die "could not install requirements/bench.txt"
}
