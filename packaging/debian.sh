# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Debian from where this machine's apt has it, for the scripts that need another suite or a whole new Debian. Sourced
# after lib.sh.

own_codename() { (. /etc/os-release && echo "${VERSION_CODENAME:-}"); }

# Sets mirror to the address that this machine's apt has Debian from; no other is ever asked.
find_mirror() {
  local codename
  codename=$(own_codename)
  # shellcheck disable=SC2016 # it is apt that fills in $(REPO_URI)
  mirror=$(apt-get indextargets --format '$(REPO_URI)' "Identifier: Packages" "Origin: Debian" "Codename: $codename" |
    sed -n 1p)
  [[ -n $mirror ]] || fail "apt's sources name no mirror of Debian $codename, from which other suites could be had"
  signed_by=
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [[ ! -e $keyring ]] || signed_by="[signed-by=$keyring]"
}

# Prints the proxy through which apt goes to the mirror; nothing where there is none.
find_proxy() {
  local found proxy=
  # What a program of Proxy-Auto-Detect says, or the configuration for this one host.
  found=$(/usr/lib/apt/apt-helper auto-detect-proxy "$mirror" | sed -n "s/^Using proxy '\(.*\)' for .*/\1/p")
  eval "$(apt-config shell proxy "Acquire::${mirror%%:*}::Proxy")"
  found=${found:-$proxy}
  [[ $found == DIRECT ]] || echo "$found"
}

# install_debian SUITE DIRECTORY [PACKAGE...]: installs the least of Debian and these packages there, with an apt that
# goes to the mirror in the way that this machine's does.
install_debian() {
  local suite=$1 tree=$2 proxy packages
  local -a through=(env)
  shift 2
  find_mirror
  proxy=$(find_proxy)
  [[ -z $proxy ]] || through+=("${mirror%%:*}_proxy=$proxy")
  [[ $mirror != https:* ]] || set -- "$@" ca-certificates
  packages=$*
  say "installing a Debian $suite in $tree"
  quietly "${through[@]}" debootstrap --variant=minbase ${packages:+--include="${packages// /,}"} "$suite" "$tree" "$mirror"
  hand_apt_on "$tree" "$proxy"
}

# hand_apt_on DIRECTORY PROXY: what this machine's apt needs to reach the mirror, so that the one in there does.
hand_apt_on() {
  local tree=$1 proxy=$2 path
  {
    # Not the programs that look for a proxy: they aren't in there, and have found it.
    apt-config dump | grep -E '^Acquire::(https?(::.*)?|Retries|ForceIPv[46]|Check-Valid-Until) ' |
      grep -vi -e 'proxy-\?auto-\?detect' || true
    [[ -z $proxy ]] || echo "Acquire::${mirror%%:*}::Proxy \"$proxy\";"
  } >"$tree/etc/apt/apt.conf.d/90host"
  # Certificates and keys that the configuration names, authorities that this machine trusts, and its passwords.
  while read -r path; do
    [[ ! -f $path ]] || cp -a --parents "$path" "$tree/"
  done < <(sed -n 's/^[^"]*"\(\/.*\)";$/\1/p' "$tree/etc/apt/apt.conf.d/90host")
  for path in /usr/local/share/ca-certificates /etc/apt/auth.conf /etc/apt/auth.conf.d; do
    [[ ! -e $path ]] || cp -a --parents "$path" "$tree/"
  done
  [[ ! -x $tree/usr/sbin/update-ca-certificates ]] || quietly chroot "$tree" update-ca-certificates
}
