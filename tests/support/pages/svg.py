"""What a reader sees of an inline SVG: its circles, labels and lines, in units of its viewBox."""

import re
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


@dataclass(frozen=True)
class Circle:
    kind: str
    told: str
    x: float
    y: float
    radius: float

    @property
    def box(self) -> Box:
        return self.x - self.radius, self.y - self.radius, self.x + self.radius, self.y + self.radius


@dataclass(frozen=True)
class Written:
    text: str
    x: float
    y: float
    anchor: str
    size: float

    @property
    def box(self) -> Box:
        """What its letters take."""
        font = FontProperties(family="DejaVu Sans", size=self.size)
        width, height, descent = TextToPath().get_text_width_height_descent(self.text, font, ismath=False)
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return left, self.y - height + descent, left + width, self.y + descent


def groups(svg: str, name: str) -> list[Element]:
    """Groups of this class."""
    return [group for group in ElementTree.fromstring(svg).iter("g") if name in group.get("class", "").split()]


def circles(svg: str) -> dict[str, Circle]:
    """The points of a scatter plot by what is said of them."""
    found = {}
    for group in groups(svg, "circle"):
        use, told = next(group.iter("use")), group.findtext("title") or ""
        shape = next(
            path for path in ElementTree.fromstring(svg).iter("path") if f"#{path.get('id')}" == use.get("href")
        )
        radius = max(map(abs, map(float, re.findall(r"-?[\d.]+", shape.attrib["d"]))))
        kind = group.attrib["class"].split()[1]
        found[told] = Circle(kind, told, float(use.attrib["x"]), float(use.attrib["y"]), radius)
    return found


def labels(svg: str) -> list[Written]:
    """The names within a plot."""
    return [written(text) for group in groups(svg, "halo") for text in group.iter("text")]


def texts(svg: str) -> list[Written]:
    """All that is written, ticks too."""
    return [written(text) for text in ElementTree.fromstring(svg).iter("text")]


def written(text: Element) -> Written:
    style = dict(part.strip().split(": ") for part in text.attrib["style"].split(";"))
    size = float(style["font-size"].removesuffix("px"))
    return Written(text.text or "", float(text.attrib["x"]), float(text.attrib["y"]), style["text-anchor"], size)


def corners(group: Element) -> list[tuple[float, float]]:
    """Of a line."""
    path = group.find("path")
    assert path is not None
    numbers = list(map(float, re.findall(r"-?[\d.]+", path.attrib["d"])))
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def lines(svg: str, name: str = "line") -> list[list[tuple[float, float]]]:
    """The corners of the lines of this class."""
    return [corners(group) for group in groups(svg, name)]


def overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
