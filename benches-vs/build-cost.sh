#!/usr/bin/env bash
# What the three cost to build: packages, and CPU-seconds of a clean debug build of a minimal program. One line per
# figure, as `transport` prints them. Takes minutes; `--packages` counts the packages only.
set -euo pipefail
cd "$(dirname "$0")"
unset CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG RUSTFLAGS
# Nothing is kept for a next build: cargo does that for crates of the workspace only, and here these are ours alone. A
# user builds all three from the registry.
export CARGO_INCREMENTAL=0

# Unique packages of a normal build on this platform, the root counted.
packages() { cargo tree --locked -e normal --prefix none "$@" | sed 's/ (\*)$//' | sort -u | wc -l; }

verdict() { awk -v ours="$1" -v theirs="$2" -v goal="$3" 'BEGIN {
  printf "%.3f | at most %.2f | %s", ours / theirs, goal, (ours / theirs <= goal ? "met" : "short") }'; }

version() { cargo tree --locked -p "$1" --depth 0 --prefix none | cut -d' ' -f1,2 | tr -d v; }

libp2p=$(version libp2p)
iroh=$(version iroh)

echo "figure | ours | peer and version | ratio | goal | met or short"
count() {
  local what=$1 goal=$2 counted
  shift 2
  counted=$(packages "$@")
  echo "packages of $what | $counted | budget: $goal | - | at most $goal | $([ "$counted" -le "$goal" ] && echo met || echo short)"
}
count "dsys-core without keys" 14 -p dsys-core --no-default-features --manifest-path ../Cargo.toml
count "dsys-core with keys" 34 -p dsys-core --manifest-path ../Cargo.toml
count "dsys-transport with QUIC" 64 -p dsys-transport --manifest-path ../Cargo.toml
ours=$(packages -p dsys-transport --manifest-path ../Cargo.toml)
for peer in "libp2p with quic, kad, gossipsub=$libp2p" "iroh without default features, with tls-ring=$iroh"; do
  name=${peer##*=}
  # Without the hello around it.
  theirs=$(($(packages -p "hello-${name%% *}") - 1))
  echo "packages: dsys-transport with QUIC against ${peer%%=*} | $ours | $name: $theirs | $(awk "BEGIN { printf \"%.3f\", $ours / $theirs }") | - | -"
done
[ "${1:-}" = --packages ] && exit

# User and system seconds of the command, its children included.
cpu() {
  local TIMEFORMAT='%U %S'
  { time "$@" >/dev/null 2>&1; } 2>&1 | awk '{ print $1 + $2 }'
}

build() {
  local into result
  into=$(mktemp -d)
  result=$(cpu cargo build --locked -j 2 -p "$1" --target-dir "$into")
  test -x "$into/debug/$1" || { echo "$1 was not built" >&2; rm -rf "$into"; exit 1; }
  rm -rf "$into"
  echo "$result"
}

cargo fetch --locked >/dev/null 2>&1
echo "load before: $(cut -d' ' -f1-3 /proc/loadavg)" >&2
dsys_1=$(build hello-dsys)
of_libp2p=$(build hello-libp2p)
of_iroh=$(build hello-iroh)
dsys_2=$(build hello-dsys)
ours=$(awk "BEGIN { printf \"%.1f\", ($dsys_1 + $dsys_2) / 2 }")
echo "clean debug build of a hello, -j 2: CPU | $ours s ($dsys_1 first, $dsys_2 last) | $libp2p: $of_libp2p s | $(verdict "$ours" "$of_libp2p" 0.3)"
echo "clean debug build of a hello, -j 2: CPU | $ours s ($dsys_1 first, $dsys_2 last) | $iroh: $of_iroh s | $(verdict "$ours" "$of_iroh" 0.3)"
echo "load after: $(cut -d' ' -f1-3 /proc/loadavg)" >&2
