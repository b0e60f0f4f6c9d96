"""The command `tinyclap probe`. Heavy imports happen inside it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tinyclap.cli.options import AsJson, chosen_run, newest_bundle

probing = typer.Typer()


@probing.command("probe")
def probe_command(
    of: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN|BUNDLE]", help="Or a ready-made bundle's name; by default the newest run, else a bundle."
        ),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Puzzles of each probe.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Other seeds ask about other sounds.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write it to this .json file; a run keeps it as probe.json.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask what a model understands: names, mixtures, negation, order, numbers, attributes.

    The sounds are generated and all answers known. A run's teacher and student are asked, or a bundle.
    """
    from tinyclap.common.files import write_json
    from tinyclap.reports.console.probe import as_table
    from tinyclap.runs.folder import is_run, newest_first
    from tinyclap.workspace.bundles import named_bundle

    if out is not None and (out.suffix != ".json" or out.is_dir()):
        raise typer.BadParameter(f"--out is {out}; give the name of a .json file")
    report = None
    if of is None:
        of = chosen_run(None) if newest_first() else newest_bundle().bundle
    if is_run(of):
        typer.echo("loading torch and the run's teacher ...", err=True)
        from tinyclap.pipelines.probe_run import probe_run

        found, report = probe_run(of, n=n, seed=seed), of / "report" / "report.html"
    else:
        from tinyclap.evaluation.probe_bundle import probe_bundle
        from tinyclap.runtime.bundle import Bundle

        found = probe_bundle(Bundle.load(named_bundle(of)), n=n, seed=seed)
    if out is not None:
        write_json(out, found)
    typer.echo(json.dumps(found) if as_json else as_table(found, of, report))
