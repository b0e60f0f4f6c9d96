"""The command `tinyclap cache`: thin, on the base install."""

from typing import Annotated

import typer

from tinyclap.cli.options import AsJson

caching = typer.Typer()


@caching.command("cache")
def cache_command(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KIND]...", help="Of these alone: embeddings, audio, shards, logmels, weights, bundles."
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove it; ready-made bundles only where named.")] = False,
    older_than: Annotated[
        float | None, typer.Option("--older-than", metavar="DAYS", min=0, help="What was last used longer ago.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what the cache holds, or clear it.

    What is cleared is made or fetched again when it is needed.
    """
    from tinyclap.common.files import cache_root
    from tinyclap.reports.console.cache import as_object, cleared_lines, contents_table
    from tinyclap.workspace.cache_contents import BUNDLES, KINDS, entries
    from tinyclap.workspace.clear_cache import clear as clear_cache
    from tinyclap.workspace.clear_cache import older

    asked = list(dict.fromkeys(kinds or []))
    unknown = [kind for kind in asked if kind not in KINDS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is no kind; allowed: {', '.join(KINDS)}", param_hint="KIND")
    root, words = cache_root(), ["tinyclap", "cache", *asked, "--clear"]
    if clear:
        chosen = asked or [kind for kind in KINDS if kind != BUNDLES]
        removed = clear_cache(asked, older_than)
        kept = [] if asked else entries([BUNDLES])
        typer.echo(as_object(root, removed, chosen, cleared=True) if as_json else cleared_lines(removed, chosen, kept))
        return
    chosen = asked or list(KINDS)
    found = entries(chosen)
    if older_than is not None:
        found, words = older(found, older_than), [*words, "--older-than", f"{older_than:g}"]
    typer.echo(
        as_object(root, found, chosen, cleared=False)
        if as_json
        else contents_table(root, found, chosen, " ".join(words))
    )
