#!/usr/bin/env bash
# Builds build/arm64 with Debian's cross compiler, on the headers and libraries of a Debian for arm64 that is only
# unpacked, in build/arm64-root: nothing of it is installed on this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD/build/arm64-root
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
libraries=$(sed 's/ *#.*//' packaging/needs/build | grep -- '-dev$' | grep -v clang | paste -sd,)

root_make() {
	local new=$root.new package link
	rm -rf "$root" "$new"
	debootstrap --foreign --arch=arm64 --variant=minbase --include="$libraries,busybox-static" "$suite" "$new" >build/log-arm64-root
	for package in "$new"/var/cache/apt/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$package" |
			tar -C "$new" -x --keep-directory-symlink --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*'
	done
	rm -r "$new"/var/cache/apt/archives
	# The linker follows links from this machine's root, not from that one.
	find "$new" -xdev -type l -lname '/*' -printf '%p\n' | while read -r link; do ln -sfnr "$new$(readlink "$link")" "$link"; done
	echo "$libraries" >"$new/libraries"
	mv "$new" "$root"
}

[ "$(cat "$root/libraries" 2>/dev/null)" = "$libraries" ] || root_make
printf "[constants]\nroot = '%s'\n" "$root" >build/arm64-root.ini
[ -f build/arm64/build.ninja ] ||
	meson setup build/arm64 --cross-file build/arm64-root.ini --cross-file packaging/cross/aarch64-linux-gnu.ini \
		-Dmongodb=enabled -Dsmtp=enabled -Dotlp=enabled >build/log-arm64 || { tail -n 20 build/log-arm64; exit 1; }
ninja -C build/arm64 >build/log-arm64 || { tail -n 60 build/log-arm64; exit 1; }
