"""A matplotlib figure as a part of an HTML page: accessible, without links, its colours those of the page's style."""

import io
import re
from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

DROPPED = ("metadata", "style", "clipPath")  # nothing is drawn outside its axes


def inline_svg(figure: Figure, title: str, summary: str, variables: Mapping[str, str]) -> Markup:
    """The figure as an `<svg>` that is as wide as its place and the same bytes each time.

    An artist's gid, such as "circle teacher: what is said of it", becomes its classes and its tooltip.

    Args:
        figure: its text is kept as text.
        title: unlike those of other pictures in the page, since ids are made from it.
        summary: what a screen reader says.
        variables: of the page's style, name -> the lower-case hex colour of the figure that stands for it.
    """
    key = re.sub(r"\W+", "-", title.lower())
    written = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": key}):
        figure.savefig(written, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(written.getvalue())
    names = {colour: f"var(--{name})" for name, colour in variables.items()}
    for element in root.iter():
        _rewrite(element, key, names)
    size = {"class": "plot", "viewBox": root.attrib["viewBox"]}
    root.attrib = {**size, "role": "img", "aria-labelledby": f"{key}-title", "aria-describedby": f"{key}-desc"}
    for place, (tag, text) in enumerate((("title", title), ("desc", summary))):
        root.insert(place, Element(tag, {"id": f"{key}-{tag}"}))
        root[place].text = text
    return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=True))


def _rewrite(element: Element, key: str, names: Mapping[str, str]) -> None:
    """Without name spaces, clipping and ids that nothing refers to."""
    element.tag = _local(element.tag)
    element.attrib = {_local(name): value for name, value in element.attrib.items() if name != "clip-path"}
    for child in [child for child in element if _local(child.tag) in DROPPED]:
        element.remove(child)
    element.text = (element.text or "").strip() or None
    element.tail = None
    if "style" in element.attrib:
        element.set(
            "style", re.sub(r"#[0-9a-f]{6}", lambda found: names.get(found[0], found[0]), element.attrib["style"])
        )
    if "href" in element.attrib:
        element.set("href", f"#{key}-{element.attrib['href'][1:]}")
    if element.tag == "g" and "id" in element.attrib:
        classes, _, tip = element.attrib.pop("id").partition(": ")
        if not re.search(r"_\d+$", classes):  # as matplotlib's own
            element.set("class", classes)
        if tip:
            title = Element("title")
            title.text = tip
            element.insert(0, title)
    elif "id" in element.attrib:
        element.set("id", f"{key}-{element.attrib['id']}")


def _local(name: str) -> str:
    return name.rpartition("}")[2]
