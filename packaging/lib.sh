# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the scripts of this folder share: where the project is, how they talk, how a step runs.

# shellcheck disable=SC2034 # for those who source this
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# Messages of tools are read here and there (apt-cache policy), so they must not be translated.
export LC_ALL=C.UTF-8

say() { printf '==> %s\n' "$*"; }

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# run COMMAND...: shows the command, then runs it; the script ends with its name if it fails.
run() {
  local status=0
  printf '  +%s\n' "$(printf ' %q' "$@")"
  "$@" || status=$?
  [[ $status -eq 0 ]] || fail "failed with status $status:$(printf ' %q' "$@")"
}

# quietly COMMAND...: as run, but what the command says is only shown when it fails.
quietly() {
  local status=0 log
  log=$(mktemp)
  printf '  +%s\n' "$(printf ' %q' "$@")"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  [[ $status -eq 0 ]] || cat "$log" >&2
  rm -f "$log"
  [[ $status -eq 0 ]] || fail "failed with status $status:$(printf ' %q' "$@")"
}

# Where udev runs, the device is there and open to all, as on every Debian. Without udev it is root's alone, and the
# tests that mount as an ordinary user couldn't.
open_fuse_device() {
  [[ $EUID -eq 0 ]] || return 0
  [[ -d /sys/module/fuse ]] || modprobe fuse 2>/dev/null || true
  if [[ -c /dev/fuse && $(stat -c %a /dev/fuse) != 666 ]]; then
    say "no udev here: giving /dev/fuse the mode that udev gives it"
    run chmod 0666 /dev/fuse
  fi
}

# stage_source DIRECTORY [NAME...]: copies what the packages are built from, and what is named besides, with modes that
# no umask touched.
stage_source() {
  local directory=$1
  shift
  mkdir -p "$directory"
  tar -C "$project" -c core daemon packaging CMakeLists.txt LICENSE README.md CHANGELOG.md "$@" |
    tar -C "$directory" -x --no-same-owner
  chmod -R u=rwX,go=rX "$directory"
}

# Where Debian's libfuse is too old, packages are built with the one that install-deps has built. Its place is told to
# debian/rules, so that it isn't told by the packages.
prefer_private_fuse() {
  local deps=$project/build/deps
  [[ -e $deps/lib/pkgconfig/fuse3.pc ]] || return 0
  export MMAPDIR_DEPS=$deps
  export PKG_CONFIG_PATH=$deps/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
}
