"""
Runs a program under a list of system calls, as systemd and container engines do: by libseccomp, which makes their
names numbers. What is not on the list ends the program (errno None) or is answered with an error.
"""
import ctypes
import json
import os
import re
import subprocess

PROFILE = "/usr/share/containers/seccomp.json"  # podman's default, of golang-github-containers-common
KILL_PROCESS, ALLOW = 0x80000000, 0x7fff0000
ERRNO = 0x00050000


def preparation(names, errno, root, uid, gid):
    """What to do between fork and exec: change the root and the user, and shut the door."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    library.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
    context = library.seccomp_init(KILL_PROCESS if errno is None else ERRNO | errno)
    for name in sorted(names):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # a call of another architecture is none here
            library.seccomp_rule_add(context, ALLOW, number, 0)

    def prepare():
        os.chroot(root)
        os.chdir("/")
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        if library.seccomp_load(context) != 0:  # sets NO_NEW_PRIVS too
            os._exit(125)
    return prepare


def start(words, names, errno, root, uid, gid, **kw):
    return subprocess.Popen(words, preexec_fn=preparation(names, errno, root, uid, gid), **kw)


def unit_calls(unit):
    """The calls that the SystemCallFilter= lines of a unit leave."""
    sets, name = {}, None
    said = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True)
    for line in said.stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            sets[name] = []
        elif line.startswith("    ") and name and not line.strip().startswith("#"):
            sets[name].append(line.strip())
        elif line.startswith("#"):
            name = None  # what follows is in no set

    def calls(word):
        return {c for w in sets[word] for c in calls(w)} if word.startswith("@") else {word}
    allowed = calls("@default")  # systemd adds it
    for line in re.findall(r"^SystemCallFilter=(.*)", unit, re.M):
        named = {c for word in line.lstrip("~").split() for c in calls(word)}
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


def profile_calls():
    """The calls that a container without capabilities may make, whatever their arguments; and the error for others."""
    profile = json.load(open(PROFILE))
    allowed = {name for row in profile["syscalls"] if row["action"] == "SCMP_ACT_ALLOW"
               and not row.get("includes", {}).get("caps") for name in row["names"]}
    return allowed, profile.get("defaultErrnoRet", 1)
