#!/bin/sh
# Builds the static binary for arm64 on a machine of another processor that has no std for it: in a chroot with Debian sid, whose
# rustc, std and cross gcc belong together. arm64.sh OUT [CHROOT]; it takes root, debootstrap, and 4 GB below CHROOT, which is kept.
# Ends with 3, and a line that says why, where it cannot.
set -eu
cd "$(dirname "$0")/../.."
out=$1
chroot=${2:-target/sid}
triple=aarch64-unknown-linux-gnu

cannot() {
    echo "arm64: not built: $1" >&2
    exit 3
}
[ "$(id -u)" = 0 ] || cannot "it takes root to make a chroot"
command -v debootstrap >/dev/null || cannot "there is no debootstrap (apt install debootstrap)"

mirror=${DEBIAN_MIRROR:-$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)}
[ -n "$mirror" ] || cannot "no mirror of Debian is known: set DEBIAN_MIRROR"
if [ ! -e "$chroot/.ready" ]; then
    rm -rf "$chroot"
    mkdir -p "$chroot"
    debootstrap --variant=minbase --include=ca-certificates sid "$chroot" "$mirror" >&2
    for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
        cp "$file" "$chroot$file"
    done
    # How this machine reaches the mirror.
    cp -r /etc/apt/apt.conf.d/. "$chroot/etc/apt/apt.conf.d/"
    chroot "$chroot" dpkg --add-architecture arm64
    # A mirror may be older than the Release file allows.
    chroot "$chroot" apt-get -o Acquire::Check-Valid-Until=false update -qq >&2
    DEBIAN_FRONTEND=noninteractive chroot "$chroot" apt-get install -y -qq --no-install-recommends \
        rustc cargo libstd-rust-dev:arm64 gcc make gcc-aarch64-linux-gnu libc6-dev libc6-dev-arm64-cross >&2
    touch "$chroot/.ready"
fi

# The tree as git has it, and the crates that the lock file names; nothing is downloaded within.
rm -rf "$chroot/src" "$chroot/vendor"
mkdir -p "$chroot/src/.cargo" "$chroot/vendor"
git archive HEAD | tar -x -C "$chroot/src"
# It prints how cargo is told of that folder.
told=$(cargo vendor --locked --versioned-dirs "$chroot/vendor")
printf '%s\n' "$told" | sed 's#^directory = .*#directory = "/vendor"#' >"$chroot/src/.cargo/config.toml"

# Kernels for arm64 have pages of 4, 16 (Raspberry Pi 5) or 64 KiB: an allocator for the largest runs on all.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
chroot "$chroot" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root CARGO_INCREMENTAL=0 SOURCE_DATE_EPOCH="$epoch" \
    CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc JEMALLOC_SYS_WITH_LG_PAGE=16 CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    RUSTFLAGS="-C target-feature=+crt-static --cfg getrandom_backend=\"linux_getrandom\" --remap-path-prefix=/vendor=/cargo/crates" \
    sh -c "cd /src && cargo build --profile dist --offline --locked --package memoryd-dist --target $triple --target-dir /target" >&2
mkdir -p "$(dirname "$out")"
cp "$chroot/target/$triple/dist/memoryd-dist" "$out"
echo "$out"
