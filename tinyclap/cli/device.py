"""The commands of a device: thin, on the base install. Heavy imports happen inside the commands."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinyclap.cli.options import AsCsv, AsJson, chosen_bundle, chosen_run, newest_bundle, refuse_several, tell
from tinyclap.cli.teams import CommandWithRay, RayAddress, Workers, refuse_threads
from tinyclap.common.numbers import file_size

if TYPE_CHECKING:
    from tinyclap.runtime.bundle import Bundle

device = typer.Typer()

SoundsOrInput = Annotated[
    list[Path], typer.Argument(metavar="FILES", help="Sound files, folders of them, or - for standard input.")
]
Sounds = Annotated[list[Path], typer.Argument(metavar="FILES", help="Sound files, or folders of them.")]
BundleOption = Annotated[
    Path | None,
    typer.Option(
        "--bundle", help="A bundle, a run or a ready-made one's name; by default the newest run's that has one."
    ),
]
BundleArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[BUNDLE|RUN]", help="Or a ready-made one's name; by default the bundle of the newest run that has one."
    ),
]
Labels = Annotated[
    str | None, typer.Option("--labels", help='"dog | puppy, rain", or a file with one label per line; | joins names.')
]
Prompts = Annotated[
    list[str] | None,
    typer.Option(
        "--prompts", metavar="TEMPLATE", help='E.g. "a sound of {}", or a file of them. Repeatable: averaged.'
    ),
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads of the graph; 1 by default.")]
Provider = Annotated[str | None, typer.Option("--provider", help="Execution provider, e.g. cuda; the CPU by default.")]
Dim = Annotated[int | None, typer.Option("--dim", min=1, help="First dimensions to keep, of a pruned bundle.")]
Head = Annotated[
    str | None, typer.Option("--head", metavar="NAME", help="Of a bundle of several teachers one; by default all.")
]
Int8 = Annotated[
    bool | None, typer.Option("--int8/--float", help="Which graph; by default the one that the export recommends.")
]
Threshold = Annotated[
    float | None,
    typer.Option("--threshold", help="Share of other sounds that must fit less well, e.g. 0.95; else unknown."),
]
SilenceBelow = Annotated[
    float | None,
    typer.Option("--silence-below", metavar="DBFS", help="Sounds of a lower level are silence; -70 by default."),
]
Channel = Annotated[
    int | None,
    typer.Option("--channel", help="Of several channels the one to take, from 1; by default their mean."),
]
Hop = Annotated[float | None, typer.Option("--hop", help="Seconds from one window to the next; a window by default.")]
MultiLabel = Annotated[
    bool, typer.Option("--multi-label", help="Judge each label on its own, and give all that reach the threshold.")
]


@device.command()
def classify(
    files: SoundsOrInput,
    bundle: BundleOption = None,
    labels: Labels = None,
    prompts: Prompts = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Labels per file.")] = 5,
    threshold: Threshold = None,
    silence_below: SilenceBelow = None,
    multi_label: MultiLabel = False,
    hop: Hop = None,
    channel: Channel = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    threads: Threads = None,
    provider: Provider = None,
    int8: Int8 = None,
    dim: Dim = None,
    head: Head = None,
) -> None:
    """Say which labels fit sound files best."""
    refuse_several(json=as_json, csv=as_csv)
    from tinyclap.audio.listing import find_sounds
    from tinyclap.reports.console import answers as console
    from tinyclap.runtime.classify_files import classify_files, refuse_bad
    from tinyclap.runtime.labels import read_labels, read_prompts

    wanted, templates = None if labels is None else read_labels(labels), read_prompts(prompts)
    loaded = load_bundle(bundle, threads, provider, int8, dim, head)
    sounds = find_sounds(files, tell)
    judge = loaded.judge(wanted, prompts=templates, **judging(top, threshold, silence_below, multi_label))
    if as_csv:
        typer.echo(console.CSV_COLUMNS)
    answers = []
    for entry in classify_files(loaded, sounds, judge, hop_s=hop, channel=channel):
        answers.append(entry)
        if entry.answer is not None and not as_json:
            as_line = console.as_csv if as_csv else console.as_text
            typer.echo(as_line(entry.file, entry.answer))
    if as_json:
        typer.echo(console.as_object(loaded, answers))
    refuse_bad(answers)


@device.command(cls=CommandWithRay)
def embed(
    files: Sounds,
    out: Annotated[Path, typer.Option("--out", help="The array, a .npy file; a .json beside it names the files.")],
    bundle: BundleOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the array that is there.")] = False,
    windows: Annotated[
        bool, typer.Option("--windows", help="A row for every window; the .json says of which file, and its times.")
    ] = False,
    hop: Hop = None,
    channel: Channel = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Files embedded at the same time; 1 by default.")
    ] = None,
    workers: Workers = None,
    ray: RayAddress = None,
    provider: Provider = None,
    int8: Int8 = None,
    dim: Dim = None,
    head: Head = None,
    dtype: Annotated[str, typer.Option("--dtype", help="float32, float16, int8 or binary.")] = "float32",
) -> None:
    """Embed many sound files into one array.

    After an interruption the same command goes on.
    """
    from tinyclap.audio.listing import find_sounds
    from tinyclap.common.crew.team import Team
    from tinyclap.runtime.embed_files import embed_files
    from tinyclap.runtime.sounds import STDIN

    if STDIN in map(str, files):
        raise typer.BadParameter("an array names its files; write what comes on standard input to one")
    refuse_threads(threads, workers, ray)
    sounds = find_sounds(files, tell)
    loaded = load_bundle(bundle, None, provider, int8, dim, head)
    team = Team(workers, ray)
    settings: dict[str, Any] = {"dtype": dtype, "workers": threads or 1, "overwrite": overwrite, "team": team}
    made = embed_files(loaded, sounds, out, windows=windows, hop_s=hop, channel=channel, **settings)
    if made.was_there:
        typer.echo(f"{out} is complete already, of these files and settings; --overwrite makes it again", err=True)
    if made.bad:
        named = "".join(f"\n  {entry.file}: {entry.reason}" for entry in made.bad[:10])
        count = f"{len(made.bad)} file" + ("s" if len(made.bad) > 1 else "")
        typer.echo(f"{count} left out; {out.with_suffix('.json')} names them:{named}", err=True)
    kept = "" if dtype == "float32" else "; too few clips to measure what their neighbours lose"
    if made.neighbours_kept is not None:
        from tinyclap.embeddings.neighbours import knn_chance

        chance = knn_chance(made.n_rows)
        kept = f"; {made.neighbours_kept:.1%} of the 10 nearest clips are kept (chance {chance:.1%})"
    row = "window" if windows else "clip"
    typer.echo(f"{out}: {made.n_rows} x {loaded.embed_dim}, {dtype}, {made.bytes_per_clip} bytes a {row}{kept}")


@device.command()
def info(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[BUNDLE|RUN]", help="Or a ready-made bundle's name; by default the newest run."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a bundle or a run is."""
    from tinyclap.reports.console.bundle import bundle_table
    from tinyclap.reports.console.run import as_object, as_table
    from tinyclap.runs.folder import is_run, newest_first
    from tinyclap.workspace.bundles import named_bundle

    if folder is None:
        folder = chosen_run(None) if newest_first() else newest_bundle().bundle
    if is_run(folder):
        typer.echo(as_object(folder) if as_json else as_table(folder))
        return
    from tinyclap.runtime.bundle import Bundle

    loaded = Bundle.load(named_bundle(folder))
    typer.echo(
        json.dumps(json.loads(loaded.manifest.to_json())) if as_json else bundle_table(loaded.manifest, loaded.labels)
    )


@device.command("selftest")
def selftest_command(
    bundle: BundleArgument = None,
    as_json: AsJson = False,
    threads: Threads = None,
    provider: Provider = None,
) -> None:
    """Check that this machine computes what was exported."""
    from dataclasses import asdict

    from tinyclap.common.install import extra_line
    from tinyclap.runtime.selftest import refuse_failed, selftest

    bundle = chosen_bundle(bundle)
    tests = selftest(bundle, providers=provider, threads=threads)
    if as_json:
        typer.echo(json.dumps({"bundle": str(bundle), "graphs": [asdict(test) for test in tests]}))
    else:
        for test in tests:
            result = f"not tested; it needs: {extra_line('text')}"
            if test.passed is not None:
                inputs = f"{test.n_inputs} input{'' if test.n_inputs == 1 else 's'}"
                result = (
                    f"{'passed' if test.passed else 'FAILED'}; {inputs} on {test.provider}, "
                    f"largest difference {test.difference:.1e}, mean cosine {test.cosine:.4f}"
                )
            typer.echo(f"{test.graph}: {result}")
    refuse_failed(bundle, tests)


@device.command()
def get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A ready-made bundle; `tinyclap models` lists them.")],
    weights: Annotated[
        Path | None, typer.Option("--weights", help="The publisher's file, if it is there already; else it is fetched.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the bundle; by default in the cache.")] = None,
    exact: Annotated[
        bool, typer.Option("--float", help="With the graph whose weights are not rounded: faster, and 4 MB more.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the bundle that is there.")] = False,
) -> None:
    """Get a ready-made bundle of ears and words; without --out, other commands find it by themselves.

    The ears' weights come from their publisher; neither training nor torch is needed.
    """
    from tinyclap.common.machine import shell_path
    from tinyclap.runtime.ready_made import has_exact, made_before, make
    from tinyclap.workspace.bundles import newest_bundle as newest

    there = None if overwrite else made_before(name, out)
    if there and exact and not has_exact(there):
        there, overwrite = None, True
    folder = there or make(name, out, weights=weights, exact=exact, overwrite=overwrite)
    if there:
        typer.echo(f"{name} is there already; --overwrite makes it again", err=True)
    option = f" --bundle {shell_path(folder)}" if out else "" if newest().bundle == folder else f" --bundle {name}"
    typer.echo(
        f"bundle   {folder}\nnext     tinyclap classify YOUR_SOUNDS{option}\n"
        f"         tinyclap index FOLDER{option}        to find sounds by words"
    )


@device.command()
def models(as_json: AsJson = False) -> None:
    """List the ready-made bundles: size, licence, measured accuracy."""
    from dataclasses import asdict

    from tinyclap.runtime.ready_made import READY_MADE, place

    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in READY_MADE.values()]))
        return
    for name, entry in READY_MADE.items():
        there = place(name) if place(name).exists() else f"tinyclap get {name}"
        typer.echo(
            f"{name}: {entry.purpose}\n  made of   {entry.made_of}\n  download  {file_size(entry.size)}\n"
            f"  licence   {entry.licence}\n  measured  {entry.accuracy}\n  get it    {there}"
        )


def judging(top: int, threshold: float | None, silence_below: float | None, multi_label: bool) -> dict[str, Any]:
    """Options as settings of `Bundle.judge`."""
    level = {} if silence_below is None else {"silence_dbfs": silence_below}
    return {"top_k": top, "threshold": threshold, "multi_label": multi_label, **level}


def load_bundle(
    bundle: Path | None,
    threads: int | None,
    provider: str | None,
    int8: bool | None,
    dim: int | None = None,
    head: str | None = None,
) -> "Bundle":
    """The bundle that the options of a command ask for; what fewer dimensions cost is said on stderr."""
    from tinyclap.reports.console.bundle import cost_of
    from tinyclap.runtime.bundle import Bundle

    loaded = Bundle.load(
        chosen_bundle(bundle),
        graph=None if int8 is None else "int8" if int8 else "float",
        providers=provider,
        threads=threads,
        dim=dim,
        head=head,
    )
    if head is None and dim not in (None, loaded.manifest.embed_dim):
        typer.echo(cost_of(loaded.manifest, dim), err=True)
    return loaded
