"""The commands of a sound library: thin, on the base install. Heavy imports happen inside the commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyclap.cli.options import AsCsv, AsJson, chosen_bundle, refuse_several, tell
from tinyclap.cli.teams import CommandWithRay, RayAddress, Workers, refuse_threads

if TYPE_CHECKING:
    from tinyclap.library.library import Library

library = typer.Typer()

LibraryOption = Annotated[
    Path | None, typer.Option("--lib", help="The library; by default $TINYCLAP_LIBRARY, else ./library.")
]
LibraryArgument = Annotated[
    Path | None, typer.Argument(metavar="[LIBRARY]", help="By default $TINYCLAP_LIBRARY, else ./library.")
]
BundleOption = Annotated[
    Path | None, typer.Option("--bundle", help="Bundle that made the library, where it was moved.")
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="CONDITION", help="E.g. 'duration<3', 'tag=kick', 'name=*drum*'. Repeatable."),
]


@library.command("index", cls=CommandWithRay)
def index_command(
    sounds: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER]...", help="Of sounds, or sound files; by default those of before."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "--lib", help="The library; by default $TINYCLAP_LIBRARY, else ./library.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", help="A bundle, a run or a ready-made one's name; by default the newest run's."),
    ] = None,
    codes: Annotated[
        str | None, typer.Option("--codes", help="Of a new library: float32, float16 (default), int8 or binary.")
    ] = None,
    windows: Annotated[
        bool, typer.Option("--windows", help="Of a new library: a row for every window, to say where in a file.")
    ] = False,
    hop: Annotated[
        float | None, typer.Option("--hop", help="With --windows: seconds from one to the next; a window by default.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Files embedded at the same time; by default one a core.")
    ] = None,
    workers: Workers = None,
    ray: RayAddress = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Stop where another process writes the library.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Embed all its files again, with another bundle.")] = False,
    relocated: Annotated[
        list[str] | None,
        typer.Option("--relocate", metavar="OLD=NEW", help="What lay below OLD lies below NEW now. Repeatable."),
    ] = None,
    forgotten: Annotated[
        list[Path] | None,
        typer.Option("--forget", metavar="FOLDER", help="Leave this folder out from now on. Repeatable."),
    ] = None,
    compact: Annotated[bool, typer.Option("--compact", help="Take what is gone off the disk.")] = False,
    as_json: AsJson = False,
) -> None:
    """Index sounds in a library, to be found by words or by example.

    New, changed, moved and deleted files are noticed; after an interruption the same command goes on.
    """
    from tinyclap.common.crew.team import Team
    from tinyclap.library.facts import to_make
    from tinyclap.library.indexing import Indexing, run
    from tinyclap.reports.console import library as console

    folder = to_make(out)
    pairs = [_pair(text) for text in relocated or []]
    refuse_threads(threads, workers, ray)
    team = Team(workers, ray, threads)
    asked = Indexing(sounds or [], codes, windows, hop, not no_wait, again, pairs, compact, forgotten or [], team)
    opened, update, facts = run(folder, asked, lambda: chosen_bundle(bundle), named=bundle is not None, tell=tell)
    as_what = console.update_as_object if as_json else console.update_as_text
    typer.echo(as_what(opened, update, facts))


@library.command("find")
def find_command(
    text: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]...", help='What it sounds like, e.g. "dog barking".')
    ] = None,
    like: Annotated[
        list[Path] | None, typer.Option("--like", metavar="FILE", help="A sound that it is like. Repeatable.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--not", metavar="TEXT", help="What it is not like. Repeatable.")
    ] = None,
    lib: LibraryOption = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Answers, at most.")] = 20,
    where: Where = None,
    by: Annotated[
        str, typer.Option("--by", help="sound, name (files whose names have all the words), or both.")
    ] = "both",
    all_windows: Annotated[
        bool, typer.Option("--all-windows", help="Every window that fits, not only the best one of a file.")
    ] = False,
    exact: Annotated[bool, typer.Option("--exact", help="Compare every row of a large library; slower.")] = False,
    bundle: BundleOption = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_m3u: Annotated[bool, typer.Option("--m3u", help="Print a playlist.")] = False,
) -> None:
    """Find sounds by words, by example, or by name; with --where alone, list them.

    Several texts and sounds are combined: their unit vectors are averaged, and half of --not's is taken off. Of a text,
    files found by sound and those whose names have all its words stand in one order (reciprocal rank fusion).
    """
    refuse_several(json=as_json, csv=as_csv, m3u=as_m3u)
    from tinyclap.reports.console import found as console

    opened = _opened(lib, bundle)
    hits = opened.find(
        text or None, n, like or None, without or None, where or None, by=by, all_windows=all_windows, exact=exact
    )
    missing = console.missing_files(hits)
    if as_json:
        asked = {"text": text or [], "like": [str(path) for path in like or []], "not": without or [], "by": by}
        typer.echo(console.hits_as_object(opened, {**asked, "where": where or []}, hits, missing))
    elif as_csv:
        _echo_names(console.hits_as_csv(hits))
    elif as_m3u:
        _echo_names(console.hits_as_m3u(hits, opened.windows))
        for path in console.unlistable(hits):
            tell(f"left out, since its name has several lines: {console.on_one_line(path)}")
    elif hits:
        typer.echo(console.hits_as_text(hits, opened.windows))
    for line in console.beside_hits(opened, hits, missing, text or [], n, by):
        tell(line)


@library.command("duplicates")
def duplicates_command(
    lib: LibraryArgument = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Least similarity of two copies, at most 1; 0.96 by default.")
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Find files that are one recording, and list them.

    In other formats, at other levels and rates, or cut a little; they are read again for it. Nothing is removed.
    """
    refuse_several(json=as_json, csv=as_csv)
    from tinyclap.library.copies.duplicates import THRESHOLD
    from tinyclap.reports.console import library as console
    from tinyclap.reports.console.found import on_one_line

    opened, least = _opened(lib), THRESHOLD if threshold is None else threshold
    found = opened.duplicates(least)
    for path, reason in found.left_out[:5]:
        tell(f"left out: {on_one_line(path)}: {reason}")
    if len(found.left_out) > 5:
        tell(f"left out: {len(found.left_out) - 5:,} files more; --json names all")
    if as_csv:
        _echo_names(console.copies_as_csv(found))
        return
    typer.echo((console.copies_as_object if as_json else console.copies_as_text)(opened, found, least))


@library.command("tag")
def tag_command(
    lib: LibraryArgument = None,
    labels: Annotated[
        str | None, typer.Option("--labels", help='"dog, rain", or a file with one per line; else the bundle\'s own.')
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Tags per file, at most.")] = 3,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="Share of other sounds that must fit less well; 0.95 by default."),
    ] = None,
    where: Where = None,
    add: Annotated[bool, typer.Option("--add", help="Keep the tags that the files have, and add to them.")] = False,
    sidecars: Annotated[
        bool, typer.Option("--sidecars", help="Also write SOUND.wav.tags.txt beside each sound, a tag per line.")
    ] = False,
    bundle: BundleOption = None,
    as_json: AsJson = False,
) -> None:
    """Tag the sounds of a library with labels in words, kept there (`--where tag=...`) and printed as CSV."""
    from tinyclap.library.tagging import SIDECAR
    from tinyclap.reports.console import library as console
    from tinyclap.runtime.labels import read_labels

    wanted = None if labels is None else read_labels(labels)
    opened = _opened(lib, bundle)
    entries = opened.tag(wanted, top, threshold, where or None, add=add, sidecars=sidecars)
    _echo_names(console.tags_as_object(opened, entries) if as_json else console.tags_as_csv(entries))
    tagged = sum(bool(entry.tags) for entry in entries)
    beside = f"; {SIDECAR} beside each" if sidecars else ""
    replaced = sum(len(entry.replaced) for entry in entries)
    if replaced:
        tell(f"{replaced:,} earlier tags of these files were replaced; --add keeps them")
    tell(f"{tagged:,} of {len(entries):,} files have tags{beside}\nnext     tinyclap find TEXT --where tag=TAG")


@library.command("export-index")
def export_command(
    lib: Annotated[Path, typer.Argument(metavar="LIBRARY", help="The library.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .csv, or with the vectors a .parquet file.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file that is there.")] = False,
) -> None:
    """Write a library as a table, with its vectors as Parquet."""
    from tinyclap.library.export import export

    opened = _opened(lib)
    rows = export(opened, out, overwrite=overwrite)
    what = f", {opened.dim} numbers each" if out.suffix == ".parquet" else ""
    typer.echo(f"{out}: {rows:,} rows{what}")


def _opened(asked: Path | None, bundle: Path | None = None) -> "Library":
    """The library that is meant; named on stderr where nobody named it."""
    from tinyclap.library.facts import chosen
    from tinyclap.library.library import Library
    from tinyclap.workspace.bundles import named_bundle

    folder = chosen(asked)
    if asked is None:
        tell(f"library: {folder}")
    return Library.open(folder, None if bundle is None else named_bundle(bundle))


def _echo_names(text: str) -> None:
    """Print file names as they are: click would take out what looks like the colours of a terminal."""
    typer.echo(text, color=True)


def _pair(text: str) -> tuple[Path, Path]:
    old, separator, new = text.partition("=")
    if not (old and separator and new):
        raise typer.BadParameter(f"{text!r} is not OLD=NEW, two folders", param_hint="--relocate")
    return Path(old), Path(new)
