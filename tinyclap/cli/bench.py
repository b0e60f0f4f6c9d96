"""The command `tinyclap bench`: thin, on the base install. Heavy imports happen inside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinyclap.cli.device import Provider
from tinyclap.cli.options import AsJson, newest_bundle
from tinyclap.errors import StoppedError

if TYPE_CHECKING:
    from tinyclap.bench.ssh import Host

benching = typer.Typer()

INTERRUPTED = "interrupted; no times are kept, those of finished graphs neither: give the same command again"


@benching.command("bench")
def bench_command(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN|BUNDLE|FILE.onnx|C", help="What to time; by default the newest run with a bundle."),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of the graph.")] = 1,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Clips at a time.")] = 1,
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="Of timing, for all graphs together.")] = 60.0,
    compare: Annotated[
        bool, typer.Option("--compare", help="Graphs take turns call by call; tell ratios to the first one.")
    ] = False,
    int8: Annotated[
        bool | None, typer.Option("--int8/--float", help="Which graphs of bundles; by default both.")
    ] = None,
    provider: Provider = None,
    window: Annotated[
        float | None, typer.Option("--window", help="Seconds of a clip, for a bare graph that does not say it.")
    ] = None,
    sample_rate: Annotated[
        int | None, typer.Option("--sample-rate", min=1, help="Hz, for a bare graph that does not say it.")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            metavar="USER@MACHINE[:PORT]",
            help="Time there, over ssh; needs sshd, and Python 3.11 with the base install's packages.",
        ),
    ] = None,
    remote_python: Annotated[str, typer.Option("--remote-python", help="The interpreter there.")] = "python3",
    ssh_config: Annotated[
        Path | None, typer.Option("--ssh-config", help="For ssh, instead of your own configuration.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File for the result with all samples, as JSON.")] = None,
    as_json: AsJson = False,
) -> None:
    """Time graphs from sound to embedding, here or on another machine.

    Told are speed, cold start, memory and size. A run keeps the result, for its report. Of a folder of `export --c`:
    speed, memory, and the instructions on emulated Cortex-M boards.
    """
    from tinyclap.bench.sources import LONGEST_S, find_models, runs_among

    if window is not None and not 0 < window <= LONGEST_S:  # NaN neither
        raise typer.BadParameter(f"--window {window:g}: allowed: seconds above 0, up to {LONGEST_S:g}")
    if not seconds < float("inf"):
        raise typer.BadParameter(f"--seconds {seconds:g}: allowed: 0 or more, not without end")
    if out is not None and out.is_dir():
        raise typer.BadParameter(f"--out {out} is a folder; name a file, e.g. {out / 'bench.json'}")
    there = None
    if host is not None:
        from tinyclap.bench.ssh import Host

        there = Host(host, remote_python, ssh_config)
    if _is_c(sources or ()):
        of_graphs = {
            "--threads": threads != 1,
            "--batch": batch != 1,
            "--compare": compare,
            "--int8/--float": int8 is not None,
            "--provider": provider,
            "--window": window,
            "--sample-rate": sample_rate,
        }
        _bench_c(sources or [], seconds, [name for name, given in of_graphs.items() if given], there, out, as_json)
        return
    from tinyclap.bench import measure
    from tinyclap.common.machine import cautions, environment
    from tinyclap.reports.console.bench import as_table
    from tinyclap.runs.results import BENCH

    given = sources or [_newest()]
    models = find_models(given, int8=int8, window_s=window, sample_rate=sample_rate)
    runs = [run for run in runs_among(given) if run in given or _is_writable(run / BENCH)]
    kept = [*(run / BENCH for run in runs), *([] if out is None else [out])]
    measure.refuse_unwritable(kept)
    settings: dict[str, Any] = {
        "--threads": threads,
        "--batch": batch,
        "--seconds": seconds,
        "--compare": compare,
        "--int8": int8 is True,
        "--float": int8 is False,
        "--provider": provider,
        "--window": window,
        "--sample-rate": sample_rate,
    }
    try:
        if there is None:
            for caution in cautions(environment(), comparable=len(models) > 1 and not compare):
                typer.echo(f"warning: {caution}", err=True)
            result = measure.bench(
                models, threads=threads, batch=batch, seconds=seconds, compare=compare, provider=provider
            )
        else:
            from tinyclap.bench.remote_bench import bench_there

            result = bench_there(there, given, models, settings, lambda what: typer.echo(what, err=True))
    except KeyboardInterrupt as stopped:
        raise StoppedError(INTERRUPTED) from stopped
    typer.echo(measure.as_object(result) if as_json else as_table(result, runs, kept))  # first: writing may fail
    measure.keep(result, kept)


def _is_c(sources: Sequence[Path]) -> bool:
    from tinyclap.bench.measure_c import is_c_folder

    return any(is_c_folder(source) for source in sources)


def _bench_c(
    sources: Sequence[Path],
    seconds: float,
    of_graphs: Sequence[str],
    there: "Host | None",
    out: Path | None,
    as_json: bool,
) -> None:
    if len(sources) > 1:
        raise typer.BadParameter("a folder of generated C is timed alone; give a command for each")
    if of_graphs:
        raise typer.BadParameter(f"{of_graphs[0]} is an option of graphs, and {sources[0]} holds generated C")
    from tinyclap.bench import measure
    from tinyclap.bench.measure_c import bench_c
    from tinyclap.bench.remote_bench import bench_c_there
    from tinyclap.cli.options import tell
    from tinyclap.reports.console.targets.bench_c import as_table

    kept = [] if out is None else [out]
    measure.refuse_unwritable(kept)
    try:
        result = bench_c(sources[0], seconds) if there is None else bench_c_there(there, sources[0], seconds, tell)
    except KeyboardInterrupt as stopped:
        raise StoppedError(INTERRUPTED) from stopped
    typer.echo(measure.as_object(result) if as_json else as_table(result, kept))
    measure.keep(result, kept)


def _newest() -> Path:
    """The newest run that has a bundle, or the ready-made bundle; named on stderr."""
    found = newest_bundle()
    return found.run or found.bundle


def _is_writable(result: Path) -> bool:
    """Whether the run of a bundle that was named itself can keep the result; told on stderr where not."""
    from tinyclap.bench.measure import why_unwritable

    reason = why_unwritable(result)
    if reason:
        typer.echo(f"the times are not kept in {result.parent}, for its report ({reason})", err=True)
    return reason is None
