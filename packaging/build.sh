#!/usr/bin/env bash
# build.sh FOLDER: all packages of the files that git knows, as they are now: .deb with their debug
# symbols, .rpm, and a bill of materials for each program. The same tree makes the same bytes.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
version=$(sed -n "s/^project('authd', 'c', version: '\([^']*\)'.*/\1/p" "$root/meson.build")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct)}
export SOURCE_DATE_EPOCH CCACHE_DISABLE=1 LC_ALL=C TZ=UTC0
umask 022

# The release's archive: sorted, of nobody, of one time. COMMIT says what it is made of: there is no git in it.
source_make() {
	rm -rf "$out/deb" "$out/rpm"
	mkdir -p "$out/deb" "$out/rpm/SOURCES"
	echo "$SOURCE_DATE_EPOCH" >"$out/epoch"
	echo "${AUTHD_COMMIT:-$(git -C "$root" rev-parse --short=12 HEAD)}" >"$out/deb/COMMIT"
	git -C "$root" ls-files -z | LC_ALL=C sort -z |
		tar -C "$root" --null --no-recursion -T - --ignore-failed-read --transform "s,^,authd-$version/," \
			--mtime "@$SOURCE_DATE_EPOCH" --owner 0 --group 0 --numeric-owner --mode u+rw,go+rX,go-w \
			-cf - -C "$out/deb" COMMIT 2>/dev/null | gzip -n9 >"$out/deb/authd_$version.orig.tar.gz"
	cp "$out/deb/authd_$version.orig.tar.gz" "$out/rpm/SOURCES/authd-$version.tar.gz"
}

deb_build() {
	tar -C "$out/deb" -xf "$out/deb/authd_$version.orig.tar.gz"
	cp -r "$root/packaging/debian" "$out/deb/authd-$version/debian"
	(cd "$out/deb/authd-$version" && dpkg-buildpackage -us -uc "-j${JOBS:-2}") >"$out/deb.log" 2>&1 ||
		{ tail -n 40 "$out/deb.log"; exit 1; }
}

# Debian's rpmbuild knows nothing of what Debian has installed: --nodeps. Tests are left out as for the .deb.
# Sources apart from programs (-bs, -bb): rpm writes this folder's name into the source package, and the sum of that
# into programs that are built together with it.
rpm_build() {
	case " ${DEB_BUILD_OPTIONS:-} " in *" nocheck "*) set -- --nocheck ;; *) set -- ;; esac
	set -- --nodeps --define "_topdir $out/rpm" --define "version_of_source $version" \
		--define "_smp_mflags -j${JOBS:-2}" --define "_srcdefattr (-,root,root)" "$@" "$root/packaging/rpm/authd.spec"
	{ rpmbuild -bs "$@" && rpmbuild -bb "$@"; } >"$out/rpm.log" 2>&1 || { tail -n 40 "$out/rpm.log"; exit 1; }
}

sbom_make() {
	local tree=$out/deb/authd-$version/debian
	python3 "$root/packaging/sbom.py" authd "$version" "$tree/authd/usr/sbin/authd" >"$out/deb/authd.cdx.json"
	python3 "$root/packaging/sbom.py" authctl "$version" "$tree/authctl/usr/bin/authctl" >"$out/deb/authctl.cdx.json"
	local module name
	for module in "$tree"/authd-*/usr/lib/*/authd/*.so; do
		name=$(basename "$module" .so)
		python3 "$root/packaging/sbom.py" "$name" "$version" "$module" >"$out/deb/$name.cdx.json"
	done
}

source_make
deb_build
sbom_make
case " ${2:-} " in *" --deb "*) ;; *) rpm_build ;; esac
find "$out" -name '*.deb' -o -name '*.rpm' -o -name '*.cdx.json' | sort
