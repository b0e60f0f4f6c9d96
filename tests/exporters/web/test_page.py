"""The page in a real browser: what it hears from a microphone and a file, offline, by keys, and where it cannot."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.pages.chromium import Page, chromium
from tests.support.pages.served import serving_folder
from tinyclap.exporters.web.write_folder import _write_worker
from tinyclap.runtime.bundle import Bundle

pytestmark = pytest.mark.slow

FAKE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
DOG, RAIN = "1-100032-A-0.ogg", "1-17367-A-10.ogg"  # of ESC-10
OUTCOME = "document.querySelector('#outcome').textContent"
HEARD = "[...document.querySelectorAll('#heard b')].map((name) => name.textContent)"
OFFLINE = "document.querySelector('#offline').textContent.startsWith('Kept')"
FAULT = "document.querySelector('#fault').hidden ? '' : document.querySelector('#fault').textContent"


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory, esc10_root: Path) -> Path:
    """What stands in front of it: five seconds of a dog, over and over."""
    path = tmp_path_factory.mktemp("microphone") / "dog.wav"
    samples, rate = soundfile.read(esc10_root / "audio" / DOG)
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Without a microphone."""
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 40_000), 16_000, subtype="FLOAT")
    return path


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    with serving_folder(site) as address:
        yield address


def show(page: Page, address: str, *, width: int = 1200, height: int = 900, dark: bool = False) -> None:
    page.open("about:blank")
    page.requests.clear()
    page.complaints.clear()
    page.open(address, width=width, height=height, dark=dark)
    page.wait("document.body?.dataset.ready")


def refuse_other_hosts(page: Page, address: str) -> None:
    assert page.complaints == []
    assert {url for url in page.requests if not url.startswith((address, "about:"))} == set()


def test_a_dog_barks_at_the_microphone(
    everyday_site: Path, everyday: Path, microphone: Path, esc10_root: Path, tmp_path: Path
) -> None:
    options = (*FAKE, f"--use-file-for-fake-audio-capture={microphone}")
    with serving_folder(everyday_site) as address, chromium(tmp_path / "profile", *options) as page:
        show(page, address)
        page.key("Tab")
        assert page.js("document.activeElement.id") == "listen"
        page.key("Enter")
        page.wait(f"{OUTCOME} === 'dog barking'")
        assert page.js("document.querySelector('#listen').textContent") == "Stop"
        assert page.js("document.querySelector('#bars li').innerText").startswith("dog barking")
        page.wait("document.querySelector('#status').textContent === 'dog barking'")
        assert "dog barking" in page.js(HEARD)
        page.js("document.querySelector('#labels').focus()")
        page.type("rain on a roof, a puppy that barks\na church bell")
        page.js("document.querySelector('#use').focus()")
        page.key("Enter")
        page.wait("document.querySelector('#which').textContent === '3 labels of yours'")
        page.wait(f"{OUTCOME} === 'a puppy that barks'")
        page.key("Escape")
        page.wait(f"{OUTCOME} === 'Ready'")
        page.js("document.querySelector('#own').click()")
        page.wait("document.querySelector('#which').textContent === '143 labels of its own'")
        page.choose("#file", esc10_root / "audio" / RAIN)
        page.wait(f"{OUTCOME} === 'rain'")
        expected = Bundle.load(everyday).classify(esc10_root / "audio" / RAIN)[0]
        page.wait("!document.querySelector('#sure').textContent.includes(':')")
        assert page.js("document.querySelector('#sure').textContent").startswith(
            f"{expected[0].probability * 100:.0f} %"
        )
        shown = page.js("[...document.querySelectorAll('#bars b')].map((name) => name.textContent)")
        assert shown[:5] == [one.label for one in expected]
        found = page.js("import('./selftest.mjs').then((module) => module.selftest())")
        assert found["passed"], found
        assert max(found["embedding"], found["text"], found["label"]) < 1e-4
        refuse_other_hosts(page, address)


def test_files_are_chosen_and_dropped(browser: Page, address: str, noise: Path, bundle: Path) -> None:
    show(browser, address)
    expected = Bundle.load(bundle).classify(noise)[0][0]
    browser.choose("#file", noise)
    browser.wait(f"{OUTCOME} === {expected.label!r}")
    browser.wait("document.querySelector('#source').textContent === 'noise.wav'")
    assert browser.js(HEARD) == [expected.label]  # of all three windows
    other = noise.with_name("quiet.wav")
    soundfile.write(other, np.zeros(8_000), 16_000)
    browser.drop(other, 600, 500)
    browser.wait(f"{OUTCOME} === 'Silence'")
    assert browser.js("document.querySelector('#source').textContent") == "quiet.wav"
    assert browser.js(HEARD) == ["silence"]
    text = noise.with_name("no_sound.wav")
    text.write_text("no sound at all")
    browser.drop(text, 600, 500)
    browser.wait(f"({FAULT}).includes('cannot read no_sound.wav')")
    refuse_other_hosts(browser, address)


def test_words_and_thresholds(browser: Page, address: str, noise: Path) -> None:
    show(browser, address)
    browser.js("document.querySelector('#labels').value = 'siren, Cow'; document.querySelector('#use').click()")
    browser.wait("document.querySelector('#which').textContent === '2 labels of yours'")
    assert browser.js("[...document.querySelectorAll('#bars b')].map((b) => b.textContent)") == ["siren", "Cow"]
    show(browser, address)  # remembered
    assert browser.js("document.querySelector('#labels').value") == "siren, Cow"
    for typed, said in (
        ("xyzzy", "“xyzzy” is not among the words this bundle knows"),
        ("dog, Dog", "“dog” and “Dog” read alike"),
    ):
        browser.js(f"document.querySelector('#labels').value = {typed!r}; document.querySelector('#use').click()")
        browser.wait(f"document.querySelector('#which').textContent.includes({said!r})")
    browser.js("document.querySelector('#own').click()")
    browser.wait("document.querySelector('#which').textContent === '3 labels of its own'")
    browser.choose("#file", noise)
    browser.wait(f"!['Ready', '…'].includes({OUTCOME})")
    browser.js(
        "document.querySelector('#threshold').value = '0.95'; "
        "document.querySelector('#threshold').dispatchEvent(new Event('change'))"
    )
    browser.wait(f"{OUTCOME} === 'Unknown'")
    browser.js("localStorage.clear()")


def test_without_a_network_after_the_first_visit(browser: Page, site: Path, noise: Path) -> None:
    with serving_folder(site) as address:
        show(browser, address)
        browser.wait(OFFLINE)
    show(browser, address)  # nobody serves it any more
    browser.choose("#file", noise)
    browser.wait(f"!['Ready', '…'].includes({OUTCOME})")
    browser.js("document.querySelector('#labels').value = 'siren, cow'; document.querySelector('#use').click()")
    browser.wait("document.querySelector('#which').textContent === '2 labels of yours'")
    browser.js("localStorage.clear()")


def test_a_new_export_takes_over(browser: Page, site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    shutil.copytree(site, folder)
    with serving_folder(folder) as address:
        show(browser, address)
        browser.wait(OFFLINE)
        page = (folder / "index.html").read_text("utf-8")
        (folder / "index.html").write_text(page.replace("What is that sound?</h1>", "What was that?</h1>"), "utf-8")
        _write_worker(folder)
        show(browser, address)
        assert browser.js("document.querySelector('h1').textContent") == "What is that sound?"  # as it was kept
        browser.wait("navigator.serviceWorker.getRegistration().then((found) => Boolean(found.waiting))")
        show(browser, address)
        assert browser.js("document.querySelector('h1').textContent") == "What was that?"
        assert len(browser.js("caches.keys()")) == 1


def test_without_leave_to_use_the_microphone(browser: Page, address: str, noise: Path) -> None:
    browser.call("Browser.setPermission", permission={"name": "microphone"}, setting="denied", origin=address[:-1])
    show(browser, address)
    browser.key("Tab")
    browser.key("Enter")
    browser.wait(FAULT)
    said = browser.js(FAULT)
    assert said in (
        "The browser does not let this page use the microphone. Sound files can still be opened or dropped here.",
        "No microphone was found. Sound files can still be opened or dropped here.",
    )
    assert browser.js("document.querySelector('#fault').getAttribute('role')") == "alert"
    browser.drop(noise, 600, 500)
    browser.wait(f"!['Ready', '…'].includes({OUTCOME})")
    assert browser.js(FAULT) == ""
    refuse_other_hosts(browser, address)


def test_by_keys_alone(browser: Page, address: str) -> None:
    show(browser, address)
    reached = []
    for _ in range(7):
        browser.key("Tab")
        reached.append(browser.js("document.activeElement.id || document.activeElement.tagName"))
        assert browser.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reached == ["listen", "open", "labels", "threshold", "use", "SUMMARY", "heard"]
    unnamed = browser.js(
        "[...document.querySelectorAll('button, textarea, select, input, ol')].filter((one) => "
        "!(one.innerText?.trim() || one.labels?.length || one.ariaLabel)).map((one) => one.id)"
    )
    assert unnamed == []


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(browser: Page, address: str, dark: bool, noise: Path) -> None:
    show(browser, address, width=320, height=640, dark=dark)
    browser.choose("#file", noise)
    browser.wait(f"!['Ready', '…'].includes({OUTCOME})")
    assert browser.js("document.documentElement.scrollWidth") <= 320
    assert (
        browser.js("Math.min(...[...document.querySelectorAll('button:not([hidden])')].map((b) => b.offsetHeight))")
        >= 44
    )
    red, green, blue = browser.js("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (red + green + blue < 150) == dark
    assert contrast(browser, "#sure", "#answer") >= 4.5
    assert contrast(browser, "#listen", "#listen") >= 4.5


def contrast(page: Page, of: str, on: str) -> float:
    """Of the text of one element on the background of another, as WCAG 2 has it."""

    def luminance(selector: str, what: str) -> float:
        code = f"getComputedStyle(document.querySelector({selector!r})).{what}.match(/\\d+/g).map(Number)"
        parts = np.array(page.js(code)[:3]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted([luminance(of, "color"), luminance(on, "backgroundColor")])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("WebAssembly.validate = () => false", "This browser has no WebAssembly with SIMD; versions of 2023 and later"),
        ("delete window.DecompressionStream", "This browser is too old to hear"),
    ],
)
def test_a_browser_that_cannot(browser: Page, address: str, without: str, said: str) -> None:
    added = browser.call("Page.addScriptToEvaluateOnNewDocument", source=without)["identifier"]
    try:
        browser.open("about:blank")
        browser.open(address)
        browser.wait(f"({FAULT}).includes({said!r}) || ({FAULT}).includes('no WebAssembly with SIMD')")
        assert browser.js(OUTCOME) == "Not here"
        assert browser.js("document.querySelector('#listen').disabled")
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=added)


def test_opened_from_a_folder(browser: Page, site: Path) -> None:
    browser.open((site / "index.html").as_uri())
    browser.wait(f"({FAULT}).includes('python3 -m http.server')")
