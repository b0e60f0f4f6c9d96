"""The page at work in a real browser: what a person sees, hears and types."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.library.browse.chromium import Page, chromium
from tests.library.browse.client import Client
from tests.library.browse.conftest import made, serving
from tests.support.sounds import noise, write

pytestmark = pytest.mark.slow

TITLES = "[...document.querySelectorAll('#hits b')].map((name) => name.textContent)"
PLAYS = "!document.querySelector('#audio').paused && document.querySelector('#audio').currentTime > 0.1"
ODD = "owl & <img src=x onerror=alert(1)>.wav"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    """Fails the test where the page complained, or asked any other machine."""
    browser.open("about:blank")
    browser.requests.clear()
    browser.complaints.clear()
    yield browser
    assert browser.complaints == []
    assert {url for url in browser.requests if not url.startswith(("http://127.0.0.1:", "data:", "about:"))} == set()


def show(
    page: Page, client: Client, hash: str = "", *, width: int = 1200, height: int = 900, dark: bool = False
) -> None:
    """Open the page and wait until it has its map and its answer."""
    url = client.address.url.replace("NAME", "127.0.0.1")
    page.open("about:blank")  # another place of the page that is open would not load it again
    page.open(url + hash, width=width, height=height, dark=dark)
    page.wait("document.body && document.body.dataset.ready")


def centre(page: Page, selector: str) -> tuple[float, float]:
    """The middle of an element, in the window, once it is there."""
    page.js(f"document.querySelector({selector!r}).scrollIntoView({{ block: 'center', behavior: 'instant' }})")
    box = f"document.querySelector({selector!r}).getBoundingClientRect()"
    x, y = page.js(f"(() => {{ const box = {box}; return [box.x + box.width / 2, box.y + box.height / 2]; }})()")
    return x, y


def points(page: Page) -> dict[str, tuple[float, float]]:
    """Where the points of the map are in the window, found by hovering over all of it, as a person does."""
    x, y = centre(page, "#map")
    wide, high = page.js(
        "(() => { const map = document.querySelector('#map'); return [map.clientWidth, map.clientHeight]; })()"
    )
    tip = "document.querySelector('#tip').hidden ? '' : document.querySelector('#tip').textContent"
    found: dict[str, tuple[float, float]] = {}
    for across in range(10 - wide // 2, wide // 2, 19):
        for down in range(10 - high // 2, high // 2, 19):
            page.mouse("mouseMoved", x + across, y + down)
            name = page.js(tip)
            if name:
                found.setdefault(name, (x + across, y + down))
    return found


def test_finding_and_playing_by_keys_alone(page: Page, client: Client) -> None:
    show(page, client)
    assert page.js("document.querySelector('#title').textContent") == "A few of the sounds"
    page.key("/", text="/")
    assert page.js("document.activeElement.id + '|' + document.activeElement.value") == "text|"
    page.type("kick 04")
    page.key("Enter")
    page.wait("document.querySelector('#title').textContent.includes('kick 04')")
    assert page.js(TITLES) == ["kick_04.wav"]
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
def test_every_format_plays_and_seeks(page: Page, client: Client, rows: dict[str, int], suffix: str) -> None:
    row = next(row for name, row in rows.items() if name.endswith(suffix))
    show(page, client, f"#like={row}")
    for place in (f"sound/{row}", f"sound/{row}.wav"):
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
        row, place, start_s = next(
            (one["row"], place, hit["start_s"])
            for one in some
            for place, hit in enumerate(client.json("POST", "api/similar", {"row": one["row"]})[1]["hits"])
            if 1 < hit["start_s"] < hit["duration_s"] - 1
        )
        show(page, client, f"#like={row}")
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
    page.js("location.hash = 'like=99999'")
    page.wait("!document.querySelector('#fault').hidden")
    assert "99999" in page.js("document.querySelector('#fault').textContent")
    page.complaints.clear()


def test_ctrl_c_ends_it_and_the_page_says_so(page: Page, library: Path) -> None:
    command = [sys.executable, "-m", "tinyclap", "browse", str(library), "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(3)]
        url = said[1].split()[1]
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


def test_names_are_text_and_no_script_runs_but_its_own(page: Page, client: Client, rows: dict[str, int]) -> None:
    row = next(row for name, row in rows.items() if name.endswith(ODD))
    show(page, client, f"#like={row}")
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


def test_the_map_by_mouse(page: Page, client: Client, rows: dict[str, int]) -> None:
    show(page, client)
    found = points(page)
    assert set(found) <= set(rows)
    assert len(found) >= 7  # of 9; some may hide others
    name, (x, y) = next(iter(found.items()))
    page.click(x, y)
    page.wait(PLAYS)
    assert page.js("document.querySelector('#chosen-name').textContent") == name
    assert page.js("document.querySelector('#playing').textContent") == name
    assert page.js("document.querySelector('#chosen-play').textContent") == "Pause"
    page.js("document.querySelector('#chosen-similar').click()")
    page.wait(f"document.querySelector('#title').textContent === 'Like ' + {name!r}")

    page.mouse("mouseMoved", x, y)
    page.mouse("mouseWheel", x, y, deltaX=0, deltaY=-300)
    page.wait("document.querySelector('#frame').classList.contains('zoomed')")
    assert page.js("document.querySelector('#tip').textContent") == name  # what is under the pointer stays there
    page.mouse("mousePressed", x, y, button="left", clickCount=1)
    page.mouse("mouseMoved", x + 30, y + 20, button="left", buttons=1)
    page.mouse("mouseReleased", x + 30, y + 20, button="left", clickCount=1)
    page.mouse("mouseMoved", x + 30, y + 20)
    assert page.js("document.querySelector('#tip').textContent") == name  # and goes with it
    page.js("document.querySelector('#whole').click()")
    page.wait("!document.querySelector('#frame').classList.contains('zoomed')")


def test_results_stand_out_on_the_map(page: Page, client: Client) -> None:
    of_hits = """(() => { const map = document.querySelector('#map'), context = map.getContext('2d');
        const data = context.getImageData(0, 0, map.width, map.height).data;
        let count = 0;
        for (let i = 0; i < data.length; i += 4)
            if ([180, 72, 12].every((value, channel) => Math.abs(data[i + channel] - value) < 8)) count++;
        return count; })()"""
    show(page, client)
    assert page.js(of_hits) == 0
    page.js("location.hash = 'find=kick+04'")
    page.wait(f"{of_hits} > 20")
    one = page.js(of_hits)
    page.js("location.hash = 'find=dog'")
    page.wait(f"{of_hits} > {3 * one}")


def test_the_map_by_keys(page: Page, client: Client, rows: dict[str, int]) -> None:
    show(page, client)
    page.js("document.querySelector('#map').focus()")
    seen = set()
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown") * 3:
        page.key(key)
        seen.add(page.js("document.querySelector('#chosen-name').textContent"))
    assert len(seen) >= 3
    assert seen <= set(rows)
    page.key("+", text="+")
    assert page.js("document.querySelector('#frame').classList.contains('zoomed')")
    page.key("0", text="0")
    assert not page.js("document.querySelector('#frame').classList.contains('zoomed')")
    page.key(" ")
    page.wait(PLAYS)
    page.key("Enter")
    page.wait("document.querySelector('#title').textContent.startsWith('Like')")


def test_two_fingers_zoom_the_map(page: Page, client: Client) -> None:
    show(page, client, width=390, height=844)
    x, y = centre(page, "#map")

    def touch(kind: str, apart: float) -> None:
        fingers = [] if kind == "touchEnd" else [{"x": x - apart, "y": y, "id": 1}, {"x": x + apart, "y": y, "id": 2}]
        page.call("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)

    page.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    touch("touchStart", 20)
    for apart in (30, 45, 60, 80):
        touch("touchMove", apart)
    touch("touchEnd", 80)
    page.wait("document.querySelector('#frame').classList.contains('zoomed')")
    page.call("Emulation.setTouchEmulationEnabled", enabled=False)


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
