"""Every key of a recipe, with its default, what it may be and what it means, as Markdown from the recipes' JSON schema.

python -m tinyclap.config.reference

writes the tables of recipes/README.md, and the list of shipped recipes there.
"""

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.files import write_text
from tinyclap.common.settings import Settings
from tinyclap.config.key_meanings import MEANINGS
from tinyclap.config.load_recipe import purpose, shipped_recipes
from tinyclap.config.schema import RECIPE
from tinyclap.errors import TinyclapError
from tinyclap.strict_yaml.messages import Schema, allowed

PAGE = Path(__file__).parents[2] / "recipes" / "README.md"
COMMAND = "python -m tinyclap.config.reference"
MARKS = {
    name: (f"<!-- {name}, written by {COMMAND} -->\n", f"<!-- end of {name} -->\n") for name in ("recipes", "keys")
}
TASKS = "The whole recipe"


@dataclass
class Block:
    """Sections that a key may hold: one, or one for each `kind`.

    Attributes:
        kinds: JSON schema by kind; the only one is that of "".
        tag: the key that tells kinds apart.
        places: where in a recipe it stands: a dotted key, and the kind of the section around it if others lack it.
    """

    kinds: dict[str, Schema]
    tag: str = ""
    places: list[tuple[str, str]] = field(default_factory=list)


def write_page(page: Path = PAGE) -> None:
    """Write the marked parts of the page anew."""
    text = page.read_text(encoding="utf-8")
    for name, content in (("recipes", recipe_list()), ("keys", key_tables(RECIPE.json_schema()))):
        begin, end = MARKS[name]
        if (text.count(begin), text.count(end)) != (1, 1) or text.index(begin) > text.index(end):
            raise TinyclapError(f"{page}: expected one line {begin.strip()!r} and after it one {end.strip()!r}")
        text = text[: text.index(begin) + len(begin)] + content + text[text.index(end) :]
    write_text(page, text)


def recipe_list() -> str:
    """The shipped recipes and what each is for."""
    rows = [f"| [`{name}`]({path.name}) | {purpose(path)} |" for name, path in shipped_recipes().items()]
    return "\n".join(["| recipe | what it is for |", "| --- | --- |", *rows, ""])


def key_tables(schema: Schema) -> str:
    """A heading and tables for every section of a recipe, outermost first."""
    blocks = _blocks(schema)
    titles = _titles(blocks)
    return "\n".join(line for key, block in blocks.items() for line in _block_lines(block, titles[key], titles, schema))


def keys(schema: Schema) -> Iterator[tuple[str, str]]:
    """Every key of every section, dotted, and what it means; "" where nothing says it."""
    for block in _blocks(schema).values():
        for section in block.kinds.values():
            for key in section["properties"]:
                if key != block.tag:
                    yield _dotted(block, key), _meaning(block, section, key)


def _blocks(schema: Schema) -> dict[str, Block]:
    """The blocks of a recipe by the definitions they are made of; what a section holds follows it."""
    blocks: dict[str, Block] = {}
    waiting = [("", "", schema)]
    while waiting:
        path, around, here = waiting.pop(0)
        key, kinds, tag = _sections(here, schema)
        known = key in blocks
        block = blocks.setdefault(key, Block(kinds, tag))
        block.places.append((path, around))
        if known:
            continue
        waiting[:0] = [
            (f"{path}.{name}".lstrip("."), "" if _common(block, name) else f"{tag}: {kind}", value)
            for kind, section in kinds.items()
            for name, value in section["properties"].items()
            if _sections(value, schema)[0]
        ]
    return blocks


def _sections(here: Schema, root: Schema) -> tuple[str, dict[str, Schema], str]:
    """The sections that a value may be: a name for them all, each by its kind, and the key that tells the kind."""
    if "discriminator" in here:
        mapping = here["discriminator"]["mapping"]
        kinds = {kind: root["$defs"][_name(reference)] for kind, reference in mapping.items()}
        return " ".join(map(_name, mapping.values())), kinds, here["discriminator"]["propertyName"]
    if "$ref" in here:
        return _name(here["$ref"]), {"": root["$defs"][_name(here["$ref"])]}, ""
    members: list[Schema] = here.get("anyOf") or here.get("oneOf") or []
    if "items" in here:
        members = [here["items"]]
    for member in members:
        if (found := _sections(member, root))[0]:
            return found
    return "", {}, ""


def _name(reference: str) -> str:
    return reference.rsplit("/", 1)[1]


def _common(block: Block, key: str) -> bool:
    """Whether a key is the same in every kind of a block."""
    first, *others = [section["properties"].get(key) for section in block.kinds.values()]
    return all(other == first for other in others)


def _titles(blocks: dict[str, Block]) -> dict[str, str]:
    """A heading for each block: where it stands."""
    standing = [path for block in blocks.values() for path in {path for path, _ in block.places}]
    titles = {}
    for key, block in blocks.items():
        written = {
            f"`{path}`" + (f" with `{around}`" if around and standing.count(path) > 1 else ""): None
            for path, around in block.places
        }
        titles[key] = " and ".join(written) if block.places[0][0] else TASKS
    return titles


def _block_lines(block: Block, title: str, titles: dict[str, str], root: Schema) -> Iterator[str]:
    """The lines of a block: what all its kinds have, then each kind."""
    yield from (f"### {title}", "")
    several = len(block.kinds) > 1
    if not several:
        yield from (_about(block.kinds[""]), "")
    shared = [key for key in next(iter(block.kinds.values()))["properties"] if _common(block, key)]
    if shared:
        yield from _table(block, next(iter(block.kinds)), shared, titles, root)
    for kind, section in block.kinds.items():
        if several:
            own = [key for key in section["properties"] if key not in (*shared, block.tag)]
            yield from (f"`{block.tag}: {kind}`: {_about(section)}", "")
            if own:
                yield from _table(block, kind, own, titles, root)


def _table(block: Block, kind: str, names: list[str], titles: dict[str, str], root: Schema) -> Iterator[str]:
    section = block.kinds[kind]
    yield from ("| key | default | allowed | what it means |", "| --- | --- | --- | --- |")
    for key in names:
        value = section["properties"][key]
        inner = _sections(value, root)[0]
        taken = _link(titles[inner], value) if inner else allowed(value, root)
        default = "required" if key in section.get("required", ()) else _default(value)
        yield f"| `{key}` | {default} | {taken} | {_meaning(block, section, key)} |"
    yield ""


def _link(title: str, value: Schema) -> str:
    """What a key that holds sections may be, with the way to their table."""
    written = json.dumps(value)
    if value.get("type") == "array":
        return f"a list of [sections](#{anchor(title)})"
    several = " or a list of them" if '"array"' in written else ""
    return f"[a section](#{anchor(title)}){several}" + (" or null" if '"null"' in written else "")


def _default(value: Schema) -> str:
    """What a key is where a recipe does not say it; of a section, its own keys say it."""
    default = value.get("default", {})
    if isinstance(default, dict):
        return "see there"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def anchor(title: str) -> str:
    """What GitHub calls a heading in links."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _about(section: Schema) -> str:
    """The first paragraph of what a section says of itself, on one line."""
    return " ".join(section.get("description", "").split("\n\n", 1)[0].split())


def _dotted(block: Block, key: str) -> str:
    return f"{block.places[0][0]}.{key}".lstrip(".")


def _meaning(block: Block, section: Schema, key: str) -> str:
    """What a key means: as the schema says it, else the section's docstring, else `MEANINGS`."""
    meaning = section["properties"][key].get("description") or _documented(section).get(key)
    text = " ".join((meaning or MEANINGS.get(_dotted(block, key), "")).split()).removesuffix(".")
    return re.sub(r"\bNone\b", "null", text)  # as a recipe writes it


def _documented(section: Schema) -> dict[str, str]:
    """The entries under "Args:" or "Attributes:" in the docstring of a section's class and of its bases."""
    kinds: dict[str, type] = {kind.__name__: kind for kind in (*_below(Settings), FrontendSpec)}
    kind = kinds.get(section.get("title", ""))
    texts = (
        [inspect.getdoc(base) or "" for base in reversed(kind.__mro__)] if kind else [section.get("description", "")]
    )
    entries: dict[str, str] = {}
    for text in texts:
        found = re.search(r"^(?:Args|Attributes):\n((?: +.*\n?|\n)+)", text, re.MULTILINE)
        rows = re.split(r"^    (?=\w+(?:, \w+)*: )", found[1], flags=re.MULTILINE)[1:] if found else []
        pairs = [row.split(": ", 1) for row in rows]
        entries |= {name: meaning for names, meaning in pairs for name in names.split(", ")}
    return entries


def _below(kind: type[Settings]) -> Iterator[type[Settings]]:
    """The classes that are derived from this one."""
    for derived in kind.__subclasses__():
        yield derived
        yield from _below(derived)


if __name__ == "__main__":
    write_page()
