#!/bin/sh
# Builds the static binary of this machine's processor with the profile `dist`: build.sh [TARGET DIR]. It prints the path.
# The same tree and the same compiler give the same bytes: no path of this machine is in them.
set -eu
cd "$(dirname "$0")/../.."
target_dir=${1:-target}
triple=${MEMORYD_TRIPLE:-$(rustc -vV | sed -n 's/^host: //p')}
home=${CARGO_HOME:-$HOME/.cargo}

# Static, so that one binary runs on every Linux; --target keeps that from macros and build scripts. Addresses that are filled in
# at the start are kept packed, which saves half a megabyte.
flags="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs --remap-path-prefix=$PWD=/src"
# A static program finds no function by its name, so the crate would look for /dev/urandom instead of asking the kernel.
flags="$flags --cfg getrandom_backend=\"linux_getrandom\""
# rustc links with its own lld there, which keeps functions of the same bytes once: 140 kB, and ends of texts once, too. The
# linker of other hosts has no such options.
[ "$triple" != x86_64-unknown-linux-gnu ] || flags="$flags -C link-arg=-Wl,--icf=all -C link-arg=-Wl,-O2"
# The folder below has the name of the registry that this machine uses. A later prefix wins.
flags="$flags --remap-path-prefix=$home=/cargo"
for registry in "$home"/registry/src/*; do
    flags="$flags --remap-path-prefix=$registry=/cargo/crates"
done
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} RUSTFLAGS="$flags ${RUSTFLAGS:-}" CARGO_INCREMENTAL=0 \
    cargo build --profile dist --locked --package memoryd-dist --target "$triple" --target-dir "$target_dir" >&2
cp "$target_dir/$triple/dist/memoryd-dist" "$target_dir/$triple/dist/memoryd"
echo "$target_dir/$triple/dist/memoryd"
