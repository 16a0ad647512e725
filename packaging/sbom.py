"""
What a program is made of, as CycloneDX 1.5 JSON: sbom.py NAME VERSION FILE... > NAME.cdx.json

The libraries that the files are linked with, what was compiled into them, and the data they carry,
with version, licence and purl. The same input makes the same bytes: no serial number, and the time is
that of SOURCE_DATE_EPOCH.
"""
import datetime
import json
import os
import re
import subprocess
import sys

# Licences as SPDX names them, by what the library's file name begins with. One that is missing here is an
# error: somebody has to look.
LICENCES = {
    "ld-linux": "LGPL-2.1-or-later", "libc.so": "LGPL-2.1-or-later", "libm.so": "LGPL-2.1-or-later",
    "libpthread.so": "LGPL-2.1-or-later", "libdl.so": "LGPL-2.1-or-later", "librt.so": "LGPL-2.1-or-later",
    "libresolv.so": "LGPL-2.1-or-later", "libgcc_s": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libbson-1.0": "Apache-2.0", "libcjson": "MIT", "libcrypt.so": "LGPL-2.1-or-later", "libcrypto": "Apache-2.0",
    "libcurl": "curl", "libedit": "BSD-3-Clause", "libidn2": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libinih": "BSD-3-Clause", "libjemalloc": "BSD-2-Clause", "libmongoc-1.0": "Apache-2.0",
    "libreadline": "GPL-3.0-or-later", "libsqlite3": "blessing", "libssl": "Apache-2.0",
    "libunistring": "LGPL-3.0-or-later OR GPL-2.0-or-later", "liburing": "MIT OR LGPL-2.1-or-later",
    "libz.so": "Zlib", "libzstd": "BSD-3-Clause",
}
# Linked statically or copied: package with their files, name, licence, and who carries it.
BUILT_IN = [
    ("node-llhttp", "llhttp", "MIT", "authd"),
    ("libboost-context1.74-dev", "boost-context", "BSL-1.0", "authd"),
]
DATA = {"authd": [("zxcvbn", "4.5.0", "MIT", "pkg:pypi/zxcvbn@4.5.0")]}


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout


def licence_of(library):
    for start, licence in LICENCES.items():
        if library.startswith(start):
            return licence
    sys.exit(f"sbom: {library}: look up its licence and add it to LICENCES")


def package_of(library):
    """The package that has it on this machine, its version and architecture."""
    for folder in re.findall(r"\s*(\S*/)", "/lib/ /usr/lib/"):
        for line in subprocess.run(["dpkg-query", "-S", f"*{folder}*/{library}"], capture_output=True,
                                   text=True).stdout.splitlines():
            name = line.split(":")[0]
            if "cross" not in name:
                return installed(name)
    sys.exit(f"sbom: {library}: no package has it")


def installed(name):
    line = run("dpkg-query", "-W", "-f", "${Package}\t${Version}\t${Architecture}\n", name).splitlines()[0]
    return line.split("\t")


def component(package, version, architecture, name, licence):
    purl = f"pkg:deb/debian/{package}@{version.replace('+', '%2B').replace(':', '%3A')}?arch={architecture}&distro=debian-12"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version,
            "licenses": [{"expression": licence}], "purl": purl}


def components(name, files):
    needed = sorted({library for file in files for library in
                     re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", file))})
    found = [component(*package_of(library), library, licence_of(library)) for library in needed]
    for package, built_in, licence, carrier in BUILT_IN:
        if carrier == name:
            found.append(component(*installed(package), built_in, licence))
    for data, version, licence, purl in DATA.get(name, []):
        found.append({"type": "data", "bom-ref": purl, "name": data, "version": version,
                      "licenses": [{"expression": licence}], "purl": purl})
    unique = {c["bom-ref"] + c["name"]: c for c in found}
    for c in unique.values():  # one package may have several libraries, a reference is unique
        c["bom-ref"] += "#" + c["name"]
    return [unique[key] for key in sorted(unique)]


def bom(name, version, files):
    parts = components(name, files)
    time = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc)
    # What is linked with readline is under its licence as a whole.
    is_gpl = any(c["licenses"][0]["expression"] == "GPL-3.0-or-later" for c in parts)
    purl = f"pkg:generic/{name}@{version}"
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "application", "bom-ref": purl, "name": name, "version": version, "purl": purl,
                          "licenses": [{"expression": "GPL-3.0-or-later" if is_gpl else "Apache-2.0"}]},
        },
        "components": parts,
        "dependencies": [{"ref": purl, "dependsOn": [c["bom-ref"] for c in parts]}],
    }


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit("usage: sbom.py NAME VERSION FILE...")
    json.dump(bom(sys.argv[1], sys.argv[2], sys.argv[3:]), sys.stdout, indent=1, sort_keys=True)
    print()
