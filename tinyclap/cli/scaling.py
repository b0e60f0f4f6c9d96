"""The commands on costs, devices and the search. Heavy imports happen inside."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinyclap.cli.options import AsJson, tell

if TYPE_CHECKING:
    from tinyclap.hardware.budget import Budget

scaling = typer.Typer()


@scaling.command()
def costs(
    source: Annotated[
        str | None, typer.Argument(metavar="[RECIPE|RUN]", help="A recipe, or a run folder; by default the newest run.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Length of sound; by default the window.")] = None,
    dim: Annotated[int | None, typer.Option("--dim", min=1, help="Dimensions of the embedding.")] = None,
    as_json: AsJson = False,
) -> None:
    """Count a student's parameters, MACs, RAM and flash, layer by layer."""
    from tinyclap.pipelines.costs import count_costs
    from tinyclap.reports.console.costs import as_object, as_table

    counted = count_costs(source, seconds, dim)
    typer.echo(as_object(counted) if as_json else as_table(counted))


@scaling.command()
def devices(
    device: Annotated[
        str | None, typer.Argument(metavar="[DEVICE]", help="A known device, or a file of yours.")
    ] = None,
) -> None:
    """List known devices and what they leave for a student.

    Of one device: where its figures are from.
    """
    from tinyclap.common.numbers import aligned, binary_size
    from tinyclap.hardware.devices import known_devices, load_device
    from tinyclap.reports.console.devices import emulated_lines

    if device is not None:
        one = load_device(device)
        typer.echo(f"{one.title}, {one.precision}")
        for name, memory in (("flash", one.flash), ("RAM", one.ram)):
            sizes = [binary_size(size) for size in (memory.free, memory.size, memory.reserved)]
            typer.echo(f"{name:<9} {sizes[0]} free: {sizes[1]} less {sizes[2]} reserved\n          {memory.source}")
        typer.echo(f"reserved  {one.reserved_source}")
        if one.emulated:
            typer.echo("\n".join(["", *emulated_lines(one)]))
        return
    rows = [("device", "flash", "RAM", "precision", "")]
    for name in known_devices():
        known = load_device(name)
        flash, ram = binary_size(known.flash.free), binary_size(known.ram.free)
        rows.append((name, flash, ram, known.precision, known.title))
    typer.echo("\n".join(aligned(rows)))
    typer.echo("\nflash and RAM are what firmware or operating system leave; of one device: tinyclap devices NAME")


@scaling.command()
def latency(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of graphs of random students.")],
    make: Annotated[bool, typer.Option("--make", help="Make the graphs; needs tinyclap[train].")] = False,
    students: Annotated[int, typer.Option("--students", min=14, help="With --make: how many, some 5 s each.")] = 48,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of a graph.")] = 1,
) -> None:
    """Time students on this machine, to predict how long others take.

    The graphs are made once, in a folder that can be copied to any device and timed there.
    """
    from tinyclap.common.machine import shell_path
    from tinyclap.pipelines.latency import fit_file, make_students, time_students

    if make:
        from tinyclap.models.student_config import StudentConfig
        from tinyclap.scaling.design_space import DesignSpace, embedding_dims, frontends

        base = StudentConfig()
        make_students(folder, DesignSpace(base, frontends(base.frontend, 32_000), embedding_dims(512)), students)
        typer.echo(
            f"{students} students in {folder}\n"
            f"next     copy it to the device, there: tinyclap latency {shell_path(folder)}"
        )
        return
    fitted = time_students(folder, threads)
    rough = "" if fitted.median_error < 0.15 else "; more students may help"
    typer.echo(
        f"{fitted.n_students} students timed on {fitted.measured_on}; half of those that a fit has not seen are "
        f"predicted within {fitted.median_error:.1%}{rough}\n"
        f"next     tinyclap search RECIPE --max-latency '5 ms' --latency {shell_path(fit_file(folder, threads))}"
    )


@scaling.command("search")
def search_command(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or a shipped recipe's name.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
    device: Annotated[str | None, typer.Option("--device", help="See `tinyclap devices`; or a file of yours.")] = None,
    macs: Annotated[str | None, typer.Option("--max-macs", help="Of one window, e.g. 50M.")] = None,
    parameters: Annotated[str | None, typer.Option("--max-params", help="E.g. 200k.")] = None,
    ram: Annotated[str | None, typer.Option("--max-ram", help="Of activations, e.g. 256 KiB.")] = None,
    flash: Annotated[str | None, typer.Option("--max-flash", help="Of weights, e.g. 1 MiB.")] = None,
    latency: Annotated[str | None, typer.Option("--max-latency", help="Of one window, e.g. 5 ms.")] = None,
    latency_fit: Annotated[
        Path | None, typer.Option("--latency", help="What `tinyclap latency` wrote on the device.")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option("--precision", help="Of RAM and flash: int8 or float32; else the device's."),
    ] = None,
    fused: Annotated[bool, typer.Option("--fused", help="Count RAM as with fused blocks.")] = False,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Students to train briefly.")] = 24,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Of a whole trial.")] = 32,
    views: Annotated[int, typer.Option("--views", min=1, help="Of each clip in the trials, at most.")] = 16,
    minutes: Annotated[float | None, typer.Option("--minutes", min=0, help="Then no further trial begins.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the proposals.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Folder; else runs/<recipe>-search[-DEVICE].")] = None,
    train: Annotated[bool, typer.Option("--train", help="Distil the chosen student in full afterwards.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find the student that fits a device or a budget.

    To search for sounds instead: `tinyclap find`. The same command goes on after an interruption.
    """
    from tinyclap.config.load_recipe import dump, load_recipe
    from tinyclap.hardware.devices import load_device
    from tinyclap.runs.folder import RUNS

    loaded = load_recipe(recipe, overrides or [], task="distill")
    texts = {"macs": macs, "parameters": parameters, "ram_bytes": ram, "flash_bytes": flash, "latency_ms": latency}
    budget = _budget(device, texts, latency_fit, precision=precision, fused=fused)
    folder = out or RUNS / (f"{loaded.name}-search" if device is None else f"{loaded.name}-search-{Path(device).stem}")
    from tinyclap.scaling.options import SearchOptions, refuse_other

    options = SearchOptions(trials, epochs, minutes, seed)
    refuse_other(dump(loaded), budget, options, views, folder)
    from tinyclap.pipelines.search import search_run, train_chosen
    from tinyclap.reports.console.search import as_object, as_table

    board = device if device is not None and load_device(device).core else None
    result = search_run(loaded, budget, options, views, folder, board=board, progress=tell)
    typer.echo(as_object(result, folder) if as_json else as_table(result, folder))
    if train:
        from tinyclap.reports.console.run import as_table as run_table

        made = train_chosen(result, folder)
        if not as_json:
            typer.echo(f"\n{run_table(made)}")


def _budget(device: str | None, texts: dict[str, str | None], latency_fit: Path | None, **settings: Any) -> "Budget":
    """The limits that were asked for, and those of the device."""
    from tinyclap.common.numbers import parse_bytes, parse_count, parse_ms
    from tinyclap.errors import TinyclapError
    from tinyclap.hardware.budget import Budget
    from tinyclap.hardware.devices import load_device, load_latency

    readers = {
        "macs": ("--max-macs", parse_count),
        "parameters": ("--max-params", parse_count),
        "ram_bytes": ("--max-ram", parse_bytes),
        "flash_bytes": ("--max-flash", parse_bytes),
        "latency_ms": ("--max-latency", parse_ms),
    }
    given: dict[str, Any] = settings
    for name, (option, parse) in readers.items():
        text = texts[name]
        try:
            given[name] = None if text is None else parse(text)
        except TinyclapError as error:
            raise TinyclapError(f"{option}: {error}") from error
    given["latency"] = None if latency_fit is None else load_latency(latency_fit)
    if device is not None:
        return Budget.of_device(load_device(device), **given)
    budget = Budget(**{**given, "precision": given["precision"] or "int8"})
    if not budget.limits:
        raise TinyclapError("no limit is given; name a device with --device, or a limit such as --max-macs 5M")
    return budget
