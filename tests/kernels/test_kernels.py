"""authd on other kernels, and on another processor: which engine it takes there, why, and that it serves on each."""
import json
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import guest  # noqa: E402

KERNELS = {
    "5.10": ("bullseye", guest.X86), "6.1": ("bookworm", guest.X86), "6.12": ("trixie", guest.X86),
    "6.1-arm64": ("bookworm", guest.ARM),
}
# ./dev test is content with the oldest, ./dev cross wants the other processor.
WANTED = os.environ.get("AUTHD_KERNELS", "5.10 6.1 6.12").split()
UNIT = ["conn", "core", "fiber", "inbox", "job", "listener", "loop", "priority"]  # ask the kernel most
SCENES = ["auto", "oneshot", "epoll", "memlock"]


@pytest.fixture(scope="module", params=WANTED)
def machine(request):
    suite, processor = KERNELS[request.param]
    if not (processor.build / "authd").exists():
        pytest.skip(f"needs {processor.build}")
    try:
        scenes, said = guest.boot(guest.kernel_of(suite, processor), guest.initrd(UNIT, processor), processor)
    except guest.Unavailable as why:
        pytest.skip(str(why))
    release = request.param.split("-")[0]
    assert scenes.get("kernel", {}).get("end"), said[-8000:]
    assert scenes["kernel"]["release"][0].startswith(release + ".")
    return release, scenes, said


def status(scene):
    return json.loads(scene["status"][0])


def test_what_asks_the_kernel_passes_its_unit_tests(machine):
    _, scenes, said = machine
    assert scenes["unit"] == {name: ["0"] for name in UNIT}, said.split("\nauto ")[0]


@pytest.mark.parametrize("name", [*SCENES, "forbidden"])
def test_it_serves(machine, name):
    release, scenes, _ = machine
    if name == "forbidden" and release != "6.12":
        pytest.skip("this kernel has no kernel.io_uring_disabled")
    scene = scenes[name]
    assert json.loads(scene["register"][0])["success"], scene
    assert json.loads(scene["login"][0])["success"], scene
    assert [line.strip() for line in scene["verify"]] == ["HTTP/1.1 204 No Content"] * 3, scene
    assert scene["refused"][0].strip() == "HTTP/1.1 401 Unauthorized", scene
    assert status(scene)["state"] == "READY" and status(scene)["errors"] == 0, scene
    assert scene["exit"] == ["0"], scene


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("stream", ["verify", "document"])
def test_it_serves_many_beside_clients_that_do_not_read(machine, name, stream):
    outcomes = json.loads(machine[1][name][f"load-{stream}"][0])
    assert outcomes.pop("ok") > 10
    assert not any(outcomes.values()), outcomes


def test_io_uring_is_taken_where_it_can_be_had(machine):
    release, scenes, _ = machine
    for name in ("auto", "oneshot", "memlock"):  # these kernels charge rings to nobody's memlock limit
        assert status(scenes[name])["engine"] == "io_uring", name
        assert ("without" if release == "5.10" else "with") + " DEFER_TASKRUN" in status(scenes[name])["engine_why"]
    assert status(scenes["auto"])["receive"] == ("oneshot" if release == "5.10" else "multishot")
    assert status(scenes["oneshot"])["receive"] == "oneshot"


def test_epoll_is_taken_where_it_is_asked_for(machine):
    found = status(machine[1]["epoll"])
    assert (found["engine"], found["engine_why"]) == ("epoll", "[io] engine = epoll")


def test_where_io_uring_is_switched_off_epoll_serves_and_says_why(machine):
    release, scenes, said = machine
    if release != "6.12":
        pytest.skip("this kernel has no kernel.io_uring_disabled")
    found = status(scenes["forbidden"])
    assert found["engine"] == "epoll" and "kernel.io_uring_disabled" in found["engine_why"]
    assert any("loop.fallback" in line for line in scenes["forbidden"]["log"]), said[-8000:]
