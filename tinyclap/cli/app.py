"""The `tinyclap` command: one thin command per library function. Heavy imports happen inside the commands."""

import functools
import os
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tinyclap.cli import streams
from tinyclap.cli.bench import benching
from tinyclap.cli.browse import browsing
from tinyclap.cli.cache import caching
from tinyclap.cli.device import Prompts, device
from tinyclap.cli.export import exporting
from tinyclap.cli.failures import explain, user_errors
from tinyclap.cli.groups import group
from tinyclap.cli.library import library
from tinyclap.cli.listen import listening
from tinyclap.cli.matching import matching
from tinyclap.cli.options import AsJson, RunArgument, chosen_run
from tinyclap.cli.probe import probing
from tinyclap.cli.prune import pruning
from tinyclap.cli.recipes import recipes
from tinyclap.cli.scaling import scaling
from tinyclap.cli.sharding import sharding
from tinyclap.common.threads import spin_briefly
from tinyclap.version import __version__

INTERRUPTED = (
    "interrupted; what training, `embed` or `index` had finished is kept: run it again, a training with --resume"
)


app = group("Distil any CLAP into a tiny audio encoder in the same embedding space.")
app.add_typer(recipes, name="recipes")
app.add_typer(device)
app.add_typer(listening)
app.add_typer(matching)
app.add_typer(library)
app.add_typer(benching)
app.add_typer(browsing)
app.add_typer(caching)
app.add_typer(exporting)
app.add_typer(pruning)
app.add_typer(probing)
app.add_typer(scaling)
app.add_typer(sharding)


def main() -> None:
    """Run the command line: 0 success, 1 a gate or the machine failed, 2 wrong usage, 130 interrupted."""
    streams.prepare()
    warnings.showwarning = _warn  # without the place in our code
    spin_briefly()
    _warn_once.cache_clear()
    if not sys.stderr.isatty():  # other libraries' progress bars would fill a log file
        os.environ.setdefault("TQDM_DISABLE", "1")
    try:
        app()
    except SystemExit as end:
        if end.code == 130:  # typer's answer to Ctrl-C, which it gives without a word
            _complain(INTERRUPTED)
        raise
    except KeyboardInterrupt:
        _complain(INTERRUPTED)
        sys.exit(130)
    except user_errors() as error:
        explained = explain(error)
        if explained is None:
            raise
        # Wrong usage is the same in every process of `accelerate launch`, and said by the first.
        if explained[1] != 2 or os.environ.get("RANK", "0") == "0":
            _complain(explained[0])
        sys.exit(explained[1])


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    _warn_once(str(message))


@functools.cache
def _warn_once(message: str) -> None:
    typer.echo(f"warning: {message}", err=True)


def _complain(message: str) -> None:
    with suppress(OSError):  # nobody reads it any more, or the disk is full: the exit code still tells
        typer.echo(f"error: {message}", err=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tinyclap {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or a shipped recipe's name.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="E.g. training.epochs=10")]
RunOption = Annotated[Path | None, typer.Option("--run", help="Run folder; by default runs/<name of the recipe>.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that is there.")]


@app.command("distill")
def distill_command(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    run: RunOption = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Distil a teacher into a student, evaluate it and write a report."""
    _train("distill", recipe, overrides, run, resume=resume, overwrite=overwrite, as_json=as_json)


@app.command("distill-text")
def distill_text_command(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    run: RunOption = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Distil a teacher's words into a text student of a megabyte or two, from captions alone."""
    _train("distill_text", recipe, overrides, run, resume=resume, overwrite=overwrite, as_json=as_json)


@app.command("pretrain")
def pretrain_command(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    run: RunOption = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Train a CLAP from scratch, to be a teacher."""
    _train("pretrain", recipe, overrides, run, resume=resume, overwrite=overwrite, as_json=as_json)


def _train(
    task: Literal["distill", "distill_text", "pretrain"],
    recipe: str,
    overrides: list[str] | None,
    run: Path | None,
    *,
    resume: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Run a recipe for `task` and say what came of it."""
    from tinyclap.config.load_recipe import dump_for, load_recipe

    loaded = load_recipe(recipe, overrides or [], task=task)
    folder = run or _runs() / loaded.name
    from tinyclap.runs.folder import check_run

    is_begun = check_run(folder, dump_for(loaded, folder), resume=resume, overwrite=overwrite)
    if resume and not is_begun:
        typer.echo(f"{folder} holds nothing to resume; the training starts from the beginning", err=True)
    typer.echo("loading torch, the teacher and what it teaches ...", err=True)
    from tinyclap.pipelines.run_recipe import run_recipe  # loads torch, which no mistake above need wait for

    if run_recipe(loaded, folder, resume=resume, overwrite=overwrite):  # in other processes than the first: nothing
        _conclude(folder, as_json)


@app.command()
def evaluate(
    run: RunArgument = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Other data: folder, manifest, shards, hf_dataset, procedural, esc50, urbansound8k, tut2017; with "
            "captions: audiocaps, clotho, macs, fsd50k, gigaspeech."
        ),
    ] = None,
    root: Annotated[
        str | None,
        typer.Option(help="Its folder (or its manifest file, the urls of shards, or a name on the Hugging Face hub)."),
    ] = None,
    folds: Annotated[str | None, typer.Option(help="Its folds, e.g. 1,2.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another key, e.g. download=true or max_bad_share=0.2."),
    ] = None,
    degrade: Annotated[
        list[str] | None,
        typer.Option("--degrade", metavar="HOW", help="Also degraded: standard, or e.g. snr=10,level=-30. Repeatable."),
    ] = None,
    task: Annotated[
        Literal["zero-shot", "retrieval"] | None,
        typer.Option(help="What data with labels and captions is for; by default zero-shot, by its labels."),
    ] = None,
    prompts: Prompts = None,
    head: Annotated[str | None, typer.Option(help="Of several teachers the one to score by; else all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a run's student beside its teacher: zero-shot by labels, as retrieval by captions."""
    from tinyclap.runtime.labels import read_prompts

    templates, folder = read_prompts(prompts), chosen_run(run)
    from tinyclap.pipelines.evaluate import evaluate_run

    asked: dict[str, Any] = {"settings": settings or [], "degrade": degrade or [], "task": task, "prompts": templates}
    evaluation = evaluate_run(folder, kind=data, root=root, folds=folds, head=head, **asked)
    _conclude(folder, as_json, evaluation)


@app.command()
def report(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN|SEARCH]", help="Folder of a run or of a search; by default the newest of both."),
    ] = None,
) -> None:
    """Write the report of a run or of a search, as HTML and Markdown.

    It is read from the result files, and stands in their folder: report/report.html and report/report.md.
    """
    from tinyclap.reports.newest import newest_result
    from tinyclap.reports.run_report import write_report
    from tinyclap.reports.search_report import is_search, write_search_report

    folder = run or newest_result()
    searched = is_search(folder)
    if run is None:
        typer.echo(f"newest {'search' if searched else 'run'}: {folder}", err=True)
    typer.echo(str(write_search_report(folder) if searched else write_report(chosen_run(folder))))


def _runs() -> Path:
    from tinyclap.runs.folder import RUNS

    return RUNS


def _conclude(folder: Path, as_json: bool, evaluated: dict[str, Any] | None = None) -> None:
    """The result on stdout: a table with the next command, or one JSON object."""
    from tinyclap.reports.console.run import as_object, as_table

    typer.echo(as_object(folder, evaluated) if as_json else as_table(folder, evaluated))
