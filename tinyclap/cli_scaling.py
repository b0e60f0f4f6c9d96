"""The commands on costs, devices and the search. Heavy imports happen inside."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tinyclap.cli_options import AsJson

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
    from tinyclap import costs_table

    counted = costs_table.count(source, seconds, dim)
    typer.echo(costs_table.as_object(counted) if as_json else costs_table.as_table(counted))


@scaling.command()
def devices(
    device: Annotated[
        str | None, typer.Argument(metavar="[DEVICE]", help="A known device, or a file of yours.")
    ] = None,
) -> None:
    """List the known devices and what they leave for a student; of one, where the figures are from."""
    from tinyclap.devices import known_devices, load_device
    from tinyclap.formatting import binary_size

    if device is not None:
        one = load_device(device)
        typer.echo(f"{one.title}, {one.precision}")
        for name, memory in (("flash", one.flash), ("RAM", one.ram)):
            sizes = [binary_size(size) for size in (memory.free, memory.size, memory.reserved)]
            typer.echo(f"{name:<9} {sizes[0]} free: {sizes[1]} less {sizes[2]} reserved\n          {memory.source}")
        typer.echo(f"reserved  {one.reserved_source}")
        return
    rows = [("device", "flash", "RAM", "precision", "")]
    for name in known_devices():
        known = load_device(name)
        flash, ram = binary_size(known.flash.free), binary_size(known.ram.free)
        rows.append((name, flash, ram, known.precision, known.title))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    typer.echo("\nflash and RAM are what firmware or operating system leave; of one device: tinyclap devices NAME")


@scaling.command()
def latency(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of graphs of random students.")],
    make: Annotated[bool, typer.Option("--make", help="Make the graphs; needs tinyclap[train].")] = False,
    students: Annotated[int, typer.Option("--students", min=8, help="With --make: how many.")] = 48,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of a graph.")] = 1,
) -> None:
    """Time students on this machine, to predict how long others take there: make a folder once, time it anywhere."""
    from tinyclap import latency_run as room

    if make:
        from tinyclap.space import Space, embedding_dims, frontends
        from tinyclap.student_config import StudentConfig

        base = StudentConfig()
        room.make_students(folder, Space(base, frontends(base.frontend, 32_000), embedding_dims(512)), students)
        typer.echo(f"{students} students in {folder}\nnext     copy it to the device, there: tinyclap latency {folder}")
        return
    fitted = room.time_students(folder, threads)
    typer.echo(
        f"{fitted.n_students} students timed on {fitted.measured_on}; half of those that a fit has not seen are "
        f"predicted within {fitted.median_error:.1%}\n"
        f"next     tinyclap search RECIPE --max-latency '5 ms' --latency {folder / room.FIT}"
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
    precision: Annotated[str, typer.Option("--precision", help="int8 or float32, unless a device says.")] = "int8",
    fused: Annotated[bool, typer.Option("--fused", help="Count RAM as with fused blocks.")] = False,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Students to train briefly.")] = 24,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Of a whole trial.")] = 32,
    views: Annotated[int, typer.Option("--views", min=1, help="Of each clip in the trials, at most.")] = 16,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Begin no further trial afterwards.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the proposals.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Folder; by default runs/<recipe>-search.")] = None,
    train: Annotated[bool, typer.Option("--train", help="Distil the chosen student in full afterwards.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find the student that fits a device or a budget; the same command goes on after an interruption."""
    from tinyclap.budget import Budget
    from tinyclap.recipe import load_recipe
    from tinyclap.run import RUNS
    from tinyclap.units import parse_bytes, parse_count, parse_ms

    loaded = load_recipe(recipe, overrides or [], task="distill")
    given: dict[str, Any] = {"fused": fused}
    for name, text, parse in (
        ("macs", macs, parse_count),
        ("parameters", parameters, parse_count),
        ("ram_bytes", ram, parse_bytes),
        ("flash_bytes", flash, parse_bytes),
        ("latency_ms", latency, parse_ms),
    ):
        given[name] = None if text is None else parse(text)
    if latency_fit is not None:
        from tinyclap.devices import load_latency

        given["latency"] = load_latency(latency_fit)
    if device is None:
        budget = Budget(precision=precision, **given)
    else:
        from tinyclap.devices import load_device

        budget = Budget.of_device(load_device(device), **given)
    from tinyclap.search import SearchOptions
    from tinyclap.search_run import run_search
    from tinyclap.search_table import as_object, as_table

    folder = out or RUNS / f"{loaded.name}-search"
    options = SearchOptions(trials, epochs, minutes, seed)
    result = run_search(loaded, budget, options, views, folder)
    typer.echo(as_object(result, folder) if as_json else as_table(result, folder))
    if train:
        from tinyclap.jobs import run_recipe
        from tinyclap.summary import as_table as run_table

        chosen = load_recipe(folder / "chosen.yaml")
        if run_recipe(chosen, RUNS / chosen.name, resume=(RUNS / chosen.name).exists()):
            typer.echo(run_table(RUNS / chosen.name))
