# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bash completion for mmapdirfs. The options are those that the program itself tells, so that none is forgotten.

_mmapdirfs_options() {
  mmapdirfs --help 2>/dev/null |
    sed -nE 's/^  (-[a-zA-Z] \[ )?(--[a-z-]+)( \])?( [A-Z].*)? .*/\2\4/p' | sed 's/ .*/=/'
}

_mmapdirfs() {
  # shellcheck disable=SC2034 # _init_completion sets them all
  local cur prev words cword split
  _init_completion -s || return

  case $prev in
    --read-path) mapfile -t COMPREPLY < <(compgen -W 'auto passthrough mapped plain' -- "$cur") ;;
    --cache) mapfile -t COMPREPLY < <(compgen -W 'auto never always' -- "$cur") ;;
    --io-uring) mapfile -t COMPREPLY < <(compgen -W 'off auto on' -- "$cur") ;;
    --idmap) mapfile -t COMPREPLY < <(compgen -W 'off on' -- "$cur") ;;
    --log-level) mapfile -t COMPREPLY < <(compgen -W 'error warn info debug' -- "$cur") ;;
    --option | -o) mapfile -t COMPREPLY < <(compgen -W 'ro rw allow_other default_permissions fsname= subtype=' -- "$cur") ;;
    --hot-set) _filedir ;;
    *)
      $split && return
      if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_mmapdirfs_options)" -- "$cur")
        [[ ${COMPREPLY[*]-} != *= ]] || compopt -o nospace
      else
        _filedir -d
      fi
      ;;
  esac
}

complete -F _mmapdirfs mmapdirfs
