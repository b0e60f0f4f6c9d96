"""The commands on costs and devices. Heavy imports happen inside."""

from typing import Annotated

import typer

from tinyclap.cli_options import AsJson

scaling = typer.Typer()


@scaling.command()
def costs(
    source: Annotated[
        str | None, typer.Argument(metavar="[RECIPE|RUN]", help="A recipe, or a run folder; by default the newest run.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Length of sound; by default the window.")] = None,
    dim: Annotated[int, typer.Option("--dim", min=1, help="Dimensions of a recipe's teacher.")] = 512,
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
