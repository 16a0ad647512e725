"""/docs in a real browser: what it shows, what it sends, and what its policy keeps out."""
import hashlib
import json
import pathlib
import re
import sys
import urllib.error
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import ROOT, Authd  # noqa: E402
from browser import Browser  # noqa: E402

ENTER = "\ue007"
READY = "return document.querySelectorAll('details.operation').length"


@pytest.fixture(scope="module")
def daemon():
    with Authd() as authd:
        yield authd


@pytest.fixture(scope="module")
def window():
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(daemon, window):
    window.open("about:blank")
    window.size(1280, 900)
    window.scheme("light")
    window.open(f"http://127.0.0.1:{daemon.port}/docs")
    window.wait(READY)
    return window


def get(daemon, path):
    return urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}{path}", timeout=20)


def unfold(browser, operation):
    browser.click(f"#{operation} > summary")
    browser.wait(f"return document.querySelector('#{operation} button.main')")


def register(browser, email):
    unfold(browser, "post_register")
    browser.type("#post_register input[name=email]", email)
    browser.type("#post_register input[name=password]", "correct horse battery")
    browser.click("#post_register button.main")
    return browser.wait("return document.querySelector('#post_register .answer')?.innerText")


def test_every_operation_of_the_document_is_shown(daemon, browser):
    document = json.load(get(daemon, "/openapi.json"))
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    shown = browser.run("return [...document.querySelectorAll('details.operation')].map(e => e.id)")
    assert sorted(shown) == sorted(ids)


def test_nothing_comes_from_elsewhere_and_nothing_is_refused(daemon, browser):
    names = browser.run("return performance.getEntriesByType('resource').map(e => e.name)")
    assert all(name.startswith(f"http://127.0.0.1:{daemon.port}/") or name.startswith("data:") for name in names), names
    browser.complaints()  # those of tests before
    browser.run("location.reload()")
    browser.wait(READY)
    assert browser.complaints() == []


def test_its_policy_knows_the_page_by_hash(daemon):
    response = get(daemon, "/docs")
    policy, page = response.headers["Content-Security-Policy"], response.read().decode()
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert not re.search(r"\bon\w+=|\sstyle=|https?://", page), "nothing that the policy would refuse"
    assert len(hashlib.sha256(page.encode()).hexdigest()) == 64 and (ROOT / "server/api/docs/style.css").read_text() in page


def test_a_script_that_is_injected_does_not_run(browser):
    browser.run("const s = document.createElement('script'); s.textContent = 'window.injected = 1'; document.body.append(s)")
    assert browser.run("return window.injected === undefined")
    browser.complaints()


def test_a_call_is_tried_and_its_token_serves_the_next_one(browser):
    assert "201" in register(browser, "docs1@example.org")
    browser.click("#post_register .answer button")
    unfold(browser, "get_me")
    browser.click("#get_me button.main")
    answer = browser.wait("return document.querySelector('#get_me .answer')?.innerText")
    assert "200" in answer and "docs1@example.org" in answer
    browser.click("#forget")
    browser.click("#get_me button.main")
    browser.wait("return document.querySelector('#get_me .answer')?.innerText.includes('INVALID_TOKEN')")


def test_what_an_answer_says_is_text(browser):
    unfold(browser, "post_register")
    browser.type("#post_register input[name=email]", "docs2@example.org")
    browser.type("#post_register input[name=password]", "correct horse battery")
    browser.type("#post_register input[name=name]", "<img src=x onerror=window.injected=1>")
    browser.click("#post_register button.main")
    browser.wait("return document.querySelector('#post_register .answer')?.innerText.includes('<img src=x')")
    assert browser.run("return !document.querySelector('main img') && window.injected === undefined")


def test_the_keyboard_is_enough(browser):
    browser.press("/")
    assert browser.run("return document.activeElement.id") == "filter"
    browser.type("#filter", "refresh")
    shown = browser.run("return [...document.querySelectorAll('details.operation')].filter(e => e.offsetHeight).map(e => e.id)")
    assert "post_refresh" in shown and "get_health" not in shown
    browser.press("\ue004")  # Tab: to the first entry of the index that is left
    browser.press(ENTER)
    browser.wait("return document.activeElement.matches('summary') && document.activeElement.parentNode.open")
    browser.press(ENTER)
    assert browser.run("return !document.activeElement.parentNode.open")


@pytest.mark.parametrize("scheme,is_dark", [("light", False), ("dark", True)])
def test_it_is_as_bright_as_the_reader_wants(browser, scheme, is_dark):
    browser.scheme(scheme)
    red = browser.run("return Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
    assert (red < 64) == is_dark


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_it_fits_the_screen(browser, width, tmp_path):
    browser.size(width, 844)
    register(browser, f"docs{width}@example.org")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.screenshot(tmp_path / f"{width}.png")


def test_a_link_opens_its_operation(daemon, browser):
    browser.open("about:blank")
    browser.open(f"http://127.0.0.1:{daemon.port}/docs#post_login")
    browser.wait("return document.getElementById('post_login')?.open")


def test_it_can_be_switched_off():
    with Authd({"http.docs": "no"}) as authd:
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(authd, "/docs")
        assert refused.value.code == 404
        assert get(authd, "/openapi.json").status == 200
