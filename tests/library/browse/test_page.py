"""The page at work in a real browser: what a person sees, plays and types."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.library.browse.client import Client
from tests.library.browse.conftest import made, serving
from tests.library.browse.pages import PLAYS, TITLES, centre, show
from tests.support.pages.chromium import Page
from tests.support.sounds import noise, write

pytestmark = pytest.mark.slow

ODD = "owl & <img src=x onerror=alert(1)>.wav"


def test_finding_and_playing_by_keys_alone(page: Page, client: Client) -> None:
    show(page, client)
    assert page.js("document.querySelector('#title').textContent") == "A few of the sounds"
    page.key("/", text="/")
    assert page.js("document.activeElement.id + '|' + document.activeElement.value") == "text|"
    page.type("kick 04")
    page.key("Enter")
    page.wait("document.querySelector('#title').textContent.includes('kick 04')")
    assert page.js(TITLES) == ["kick_04.wav"]
    assert page.js("document.querySelector('#hits .score').textContent") == "name"
    page.js("document.querySelector('#text').select()")
    page.type("rain")
    page.key("Enter")
    page.wait("document.querySelector('#title').textContent.startsWith('“rain')")
    names = page.js(TITLES)
    assert len(names) == 9
    page.key("ArrowDown")
    page.key("ArrowDown")
    assert page.js("document.activeElement.getAttribute('aria-label')") == f"Play {names[1]}"
    page.key(" ")
    page.wait(PLAYS)
    assert page.js("document.activeElement.getAttribute('aria-label')") == f"Pause {names[1]}"
    page.key(" ")
    page.wait("document.querySelector('#audio').paused")
    page.key(" ")
    page.wait("!document.querySelector('#audio').paused")
    page.key("Escape")
    assert page.js("document.querySelector('#player').hidden && document.activeElement.id") == "text"
    page.key("ArrowDown")
    page.key("ArrowRight")
    page.key("Enter")
    page.wait("document.querySelector('#title').textContent.startsWith('Like')")
    assert page.js("document.querySelector('#title').textContent").endswith(names[0])
    assert names[0] not in page.js(TITLES)
    page.js("history.back()")
    page.wait("document.querySelector('#title').textContent.startsWith('“rain')")
    assert page.js(TITLES) == names


@pytest.mark.parametrize("suffix", ["kick_04.wav", "tom.aiff", "hat.flac", "robin.ogg", "snare.wav"])
def test_every_format_plays_and_seeks(page: Page, client: Client, ids: dict[str, str], suffix: str) -> None:
    id = next(id for name, id in ids.items() if name.endswith(suffix))
    show(page, client, f"#like={id}")
    for place in (f"sound/{id}", f"sound/{id}.wav"):
        length = page.js(
            f"""new Promise((done, failed) => {{
                const audio = new Audio("{place}");
                audio.onerror = () => failed(audio.error.message);
                audio.onloadedmetadata = () => {{ audio.currentTime = 1.2; }};
                audio.onseeked = () => done([audio.duration, audio.currentTime]);
            }})"""
        )
        assert length == pytest.approx([1.5, 1.2], abs=0.05)


def test_a_window_plays_from_where_it_is(page: Page, windowed: Path) -> None:
    with serving(windowed) as client:
        some = client.json("POST", "api/some", {"n": 200})[1]["hits"]
        id, place, start_s = next(
            (one["id"], place, hit["start_s"])
            for one in some
            for place, hit in enumerate(client.json("POST", "api/similar", {"id": one["id"]})[1]["hits"])
            if 1 < hit["start_s"] < hit["duration_s"] - 1
        )
        show(page, client, f"#like={id}")
        assert f"0:0{int(start_s)}" in page.js(f"document.querySelectorAll('#hits small')[{place}].textContent")
        page.click(*centre(page, f"#hits li:nth-child({place + 1}) .play"))
        page.wait("!document.querySelector('#audio').paused")
        page.wait(f"document.querySelector('#audio').currentTime >= {start_s}")
        assert page.js("document.querySelector('#audio').currentTime") < start_s + 1
        page.js("document.querySelector('#text').value = 'dog'; document.querySelector('#search').requestSubmit()")
        page.wait("!document.querySelector('#fault').hidden")
        assert "has no words" in page.js("document.querySelector('#fault[role=alert]').textContent")
        page.complaints.clear()  # the browser notes the status 400


def test_what_is_wrong_is_said_plainly(page: Page, client: Client) -> None:
    show(page, client, "#find=zorblax")
    page.wait("!document.querySelector('#fault').hidden")
    assert "zorblax" in page.js("document.querySelector('#fault').textContent")
    assert page.js(TITLES) == []
    page.complaints.clear()  # the browser notes the status 400
    page.js("location.hash = 'find=dog'")
    page.wait("document.querySelector('#fault').hidden && document.querySelectorAll('#hits li').length")
    page.js("location.hash = 'like=0-99999'")
    page.wait("!document.querySelector('#fault').hidden")
    assert "99999" in page.js("document.querySelector('#fault').textContent")
    page.complaints.clear()


def test_ctrl_c_ends_it_and_the_page_says_so(page: Page, library: Path) -> None:
    command = [sys.executable, "-m", "tinyclap", "browse", str(library), "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        url = lines[1].split()[1]
        page.open(f"{url}#find=dog")
        page.wait("document.body && document.body.dataset.ready")
        page.click(*centre(page, "#hits .play"))
        page.wait(PLAYS)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, ("", "stopped\n"))
    page.js("location.hash = 'find=rain'")
    page.wait("!document.querySelector('#fault').hidden")
    assert "still running" in page.js("document.querySelector('#fault').textContent")
    page.complaints.clear()


def test_names_are_text_and_no_script_runs_but_its_own(page: Page, client: Client, ids: dict[str, str]) -> None:
    id = next(id for name, id in ids.items() if name.endswith(ODD))
    show(page, client, f"#like={id}")
    assert ODD in page.js("document.querySelector('#title').textContent")
    show(page, client, "#find=dog")
    assert ODD in page.js(TITLES)
    assert page.js("document.images.length") == 0
    assert page.complaints == []
    page.js(
        """(() => { const script = document.createElement('script'); script.textContent = 'window.ran = true';
        document.body.append(script); })()"""
    )
    assert page.js("window.ran === undefined")
    reached = page.js("fetch('http://127.0.0.1:9/').then(() => 'reached', (error) => error.name)")
    assert reached == "TypeError"
    page.complaints.clear()  # of the policy


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1200])
def test_it_fits_and_can_be_read(page: Page, client: Client, width: int, dark: bool) -> None:
    show(page, client, "#find=dog", width=width, height=844, dark=dark)
    page.click(*centre(page, "#hits .play"))
    page.wait(PLAYS)
    assert page.js("document.documentElement.scrollWidth") <= width
    small = page.js(
        """[...document.querySelectorAll('button, input')].filter((one) => one.offsetParent !== null)
        .map((one) => [one.id || one.className, one.offsetWidth, one.offsetHeight])
        .filter(([, wide, high]) => wide < 36 || high < 36)"""
    )
    assert small == []
    least = page.js(
        """(() => {
        const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
            .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ground = (one) => { const own = getComputedStyle(one).backgroundColor;
            return /, 0\\)$|transparent/.test(own) && one.parentElement ? ground(one.parentElement) : own; };
        const ratios = [...document.querySelectorAll('h1, h2, p, small, b, label, button, .score, .legend li')]
            .filter((one) => one.offsetParent !== null && one.textContent.trim())
            .map((one) => [light(getComputedStyle(one).color), light(ground(one))].sort((a, b) => b - a))
            .map(([a, b]) => (a + 0.05) / (b + 0.05));
        return Math.min(...ratios); })()"""
    )
    assert least >= 4.5  # WCAG 2.2, 1.4.3
    back = page.js("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(20, 23, 26)" if dark else "rgb(251, 250, 247)")


def test_everything_has_a_name_for_who_does_not_see_it(page: Page, client: Client) -> None:
    show(page, client, "#find=dog")
    page.call("Accessibility.enable")
    nodes = [node for node in page.call("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    page.call("Accessibility.disable")
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    roles = {role for role, _ in named}
    assert {"main", "search", "searchbox", "button", "list", "application", "status", "heading"} <= roles
    asking = ("button", "searchbox", "application", "region", "group", "complementary")
    unnamed = [role for role, name in named if role in asking and not name.strip()]
    assert unnamed == []


def test_it_works_below_a_secret(page: Page, library: Path) -> None:
    with serving(library, "0.0.0.0", allow_remote=True) as client:
        show(page, client, "#find=dog")
        assert len(page.js(TITLES)) == 9
        page.click(*centre(page, "#hits .play"))
        page.wait(PLAYS)
        assert all(f"/{client.address.token}/" in url for url in page.requests if url.startswith("http"))


def test_more_is_asked_for_and_the_focus_goes_on(page: Page, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(30):
        write(tmp_path / "many" / f"noise_{number}.wav", noise(1.0, number))
    with serving(made(tmp_path, tmp_path / "many", text=True)) as client:
        show(page, client, "#find=dog")
        assert len(page.js(TITLES)) == 20
        page.js("document.querySelector('#more').click()")
        page.wait("document.querySelectorAll('#hits li').length === 30")
        page.wait("document.activeElement.closest('li') === document.querySelectorAll('#hits li')[20]")
        assert page.js("document.querySelector('#more').hidden")
