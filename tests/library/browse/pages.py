"""What tests do with the page of a library in a browser."""

from tests.library.browse.client import Client
from tests.support.pages.chromium import Page

TITLES = "[...document.querySelectorAll('#hits b')].map((name) => name.textContent)"
PLAYS = "!document.querySelector('#audio').paused && document.querySelector('#audio').currentTime > 0.1"


def show(
    page: Page, client: Client, hash: str = "", *, width: int = 1200, height: int = 900, dark: bool = False
) -> None:
    """Open the page and wait until it has its map and its answer."""
    page.open("about:blank")  # another place of the page that is open would not load it again
    page.open(client.address.local_url + hash, width=width, height=height, dark=dark)
    page.wait("document.body && document.body.dataset.ready")


def centre(page: Page, selector: str) -> tuple[float, float]:
    """The middle of an element, in the window, once it is there."""
    page.js(f"document.querySelector({selector!r}).scrollIntoView({{ block: 'center', behavior: 'instant' }})")
    box = f"document.querySelector({selector!r}).getBoundingClientRect()"
    x, y = page.js(f"(() => {{ const box = {box}; return [box.x + box.width / 2, box.y + box.height / 2]; }})()")
    return x, y
