"""The map of the page in a real browser: by mouse, by keys, by two fingers."""

import pytest

from tests.library.browse.client import Client
from tests.library.browse.pages import PLAYS, centre, show
from tests.support.pages.chromium import Page

pytestmark = pytest.mark.slow


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


def test_the_map_by_mouse(page: Page, client: Client, ids: dict[str, str]) -> None:
    show(page, client)
    found = points(page)
    assert set(found) <= set(ids)
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


def test_the_map_by_keys(page: Page, client: Client, ids: dict[str, str]) -> None:
    show(page, client)
    page.js("document.querySelector('#map').focus()")
    seen = set()
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown") * 3:
        page.key(key)
        seen.add(page.js("document.querySelector('#chosen-name').textContent"))
    assert len(seen) >= 3
    assert seen <= set(ids)
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
