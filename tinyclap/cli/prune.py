"""The command `tinyclap prune`. Heavy imports happen inside."""

from pathlib import Path
from typing import Annotated

import typer

from tinyclap.cli.options import AsJson, RunArgument, chosen_run

pruning = typer.Typer()


@pruning.command()
def prune(
    dim: Annotated[int, typer.Option("--dim", help="Dimensions to keep, fewer than the student has.")],
    run: RunArgument = None,
    method: Annotated[str, typer.Option("--method", help="rotation, magnitude (the paper's) or random.")] = "rotation",
    finetune: Annotated[int, typer.Option("--finetune", help="Epochs of training the head again.")] = 0,
    sweep: Annotated[str | None, typer.Option("--sweep", help="Measure these too, e.g. 256,128,64.")] = None,
    calibrate: Annotated[
        str | None, typer.Option("--calibrate", help="Folder of sounds to choose by; else the training clips.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run folder; else runs/<run>-<method>-<dim>.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give a run's student fewer dimensions, as a new run.

    evaluate, export and report take it as any other.
    """
    dims = () if sweep is None else _numbers(sweep)
    folder = chosen_run(run, of_student=True)
    from tinyclap.pipelines.prune_options import PruneOptions, new_run

    options = PruneOptions(dim, method, finetune, dims, calibrate)
    new_run(folder, options, out)  # says what is wrong before torch is loaded
    from tinyclap.pipelines.prune import prune_run
    from tinyclap.reports.console.run import as_object, as_table

    made = prune_run(folder, options, out)
    typer.echo(as_object(made) if as_json else as_table(made))


def _numbers(listed: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in listed.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{listed}: expected whole numbers, e.g. 256,128,64", param_hint="--sweep") from error
