# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bash completion for mmapdirctl. Verbs and options are those that the program itself tells, so that none is forgotten.

# The mount points of mmapdirfs; the kernel writes blanks in them as \040.
_mmapdirctl_mount_points() {
  local mount_point type rest
  while read -r _ mount_point type rest; do
    [[ $type != fuse.mmapdirfs ]] || printf '%b\n' "${mount_point//\\/\\0}"
  done </proc/self/mounts
}

_mmapdirctl_verbs() {
  mmapdirctl --help 2>/dev/null | sed -n '/^Verbs:/,/^$/s/^  \([a-z-]*\)\( [a-z]*\)\{0,1\}  .*/\1\2/p'
}

# _mmapdirctl_options VERB...: its long options, those that want a value with "=" at the end.
_mmapdirctl_options() {
  mmapdirctl "$@" --help 2>/dev/null |
    sed -nE 's/^  (-[a-zA-Z] \[ )?(--[a-z-]+)( \])?( [A-Z][A-Z/]*)? .*/\2\4/p' | sed 's/ [A-Z].*/=/'
}

# Offers each line of the input that continues the current word.
_mmapdirctl_offer() {
  local line
  while IFS= read -r line; do
    [[ $line != "${cur//\\/}"* ]] || COMPREPLY+=("$(printf '%q' "$line")")
  done
}

# Files of the mount, as patterns name them: relative to its root.
_mmapdirctl_files_of() {
  local found
  while IFS= read -r found; do
    [[ ! -d $found ]] || found+=/
    printf '%s\n' "${found#"$1"/}"
  done < <(compgen -f -- "$1/${cur//\\/}")
}

_mmapdirctl() {
  # shellcheck disable=SC2034 # _init_completion sets them all
  local cur prev words cword split
  _init_completion -s || return

  local -a verb=("${words[1]-}")
  [[ ${verb[0]} != hot || $cword -lt 3 ]] || verb+=("${words[2]}")
  local first=$((1 + ${#verb[@]})) position=0 mount_point='' i
  if ((cword < first)); then
    _mmapdirctl_offer < <(_mmapdirctl_verbs | cut -d' ' -f1 | sort -u)
    return
  fi
  if [[ ${verb[0]} == hot && ${#verb[@]} -eq 1 ]]; then
    _mmapdirctl_offer < <(_mmapdirctl_verbs | sed -n 's/^hot //p')
    return
  fi

  case $prev in
    --html | --svg)
      _filedir
      return
      ;;
    --control | --rate | --limit | --share | --budget | --cells | --interval | -C) return ;;
  esac
  $split && return
  if [[ $cur == -* ]]; then
    _mmapdirctl_offer < <(_mmapdirctl_options "${verb[@]}")
    [[ ${COMPREPLY[*]-} != *= ]] || compopt -o nospace
    return
  fi

  # How many words stand before this one that are no options.
  for ((i = first; i < cword; i++)); do
    case ${words[i]} in
      -C) ((i++)) ;;
      -*) ;;
      *)
        ((++position == 1)) && mount_point=${words[i]//\\/}
        ;;
    esac
  done
  if ((position == 0)); then
    _mmapdirctl_offer < <(_mmapdirctl_mount_points)
    [[ ${verb[0]} != doctor ]] || _filedir -d
    return
  fi
  case ${verb[0]} in
    doctor) _filedir -d ;;
    hot) _filedir ;;
    log-level) _mmapdirctl_offer < <(printf '%s\n' error warn info debug) ;;
    map | warm | pin | unpin)
      compopt -o nospace
      _mmapdirctl_offer < <(_mmapdirctl_files_of "$mount_point")
      ;;
  esac
}

complete -F _mmapdirctl mmapdirctl
