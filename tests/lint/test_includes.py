"""Includes go downward only, and a third-party header is included by one file (or one family of files)."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SOURCES = sorted(p for d in ("server", "ctl", "shared", "benchmarks") for p in (ROOT / d).rglob("*.[ch]"))

# What each folder may include besides itself; the order of DESIGN.md.
BELOW = {
    "shared": [],
    "core": ["shared"],
    "observe": ["shared", "core"],
    "config": ["shared"],
    "tls": ["shared"],
    "http": ["shared", "core", "observe", "tls"],
    "crypt": ["shared", "core", "observe"],
    "cache": ["shared", "core"],
    "guard": ["shared", "core"],
    "store": ["shared", "core", "observe", "guard"],
    "mail": ["shared", "store"],
    "auth": ["shared", "core", "observe", "crypt", "cache", "guard", "store", "mail"],
    "api": ["shared", "core", "observe", "config", "http", "crypt", "cache", "guard", "store", "auth"],
    "control": ["shared", "core", "observe", "config", "tls", "http", "crypt", "cache", "guard", "store", "auth"],
    "start": ["shared", "core", "observe", "config", "tls", "http", "crypt", "guard", "store", "mail", "auth", "api"],
    "upgrade": ["shared", "core", "observe", "tls", "auth", "control", "start"],
    "offline": ["shared", "crypt", "store", "auth", "start"],
    "ctl": ["shared"],
    "load": ["shared"],
    "benchmarks": ["shared", "crypt", "guard", "core", "store"],  # single files; what they measure
}

THIRD_PARTY = re.compile(
    r"<(liburing|llhttp|sqlite3|cjson/|crypt|openssl/|ini|readline/|idn2|uni(?:case|norm)|curl/|mongoc|bson|zlib|zstd)")


def folder(path):
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] in ("server", "benchmarks") and len(parts) > 2 else parts[0]


@pytest.mark.parametrize("path", [p for p in SOURCES if folder(p) != "server"],
                         ids=lambda p: str(p.relative_to(ROOT)))
def test_includes_go_downward(path):
    mine = folder(path)
    for name in re.findall(r'#include "([^"]+/[^"]+)"', path.read_text()):  # what the build makes has no folder
        theirs = name.split("/")[0]
        assert theirs == mine or theirs in BELOW[mine], f"{mine}/ may not include {name}"


def test_a_third_party_header_is_included_by_one_file():
    users = {}
    for path in [p for p in SOURCES if folder(p) != "benchmarks"]:  # they compare us with the library itself
        family = path.stem.split("_")[0]
        for name in THIRD_PARTY.findall(path.read_text()):
            users.setdefault(name, set()).add((folder(path), family))
    assert users
    # Two modules, of which many load one only: what they have in common is the library.
    assert users.pop("curl/") == {("mail", "smtp"), ("observe", "otlp")}
    # Two libraries under one folder: libcrypto for tokens, libssl for connections.
    assert users.pop("openssl/") == {("crypt", "signing"), ("tls", "tls")}
    for name, files in users.items():
        assert len(files) == 1, f"{name}: {sorted(files)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_style(path):
    text = path.read_text()
    assert text.startswith("/*"), "a file starts with what it is responsible for"
    assert path.suffix == ".c" or "#pragma once" in text
    assert not re.search(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|gets)\(", text)
    assert not re.search(r"[ \t]+$", text, re.M), "white space at the end of a line"
    assert all(len(line.expandtabs(8)) <= 240 for line in text.splitlines()), "longer than any table needs"
