"""The commands on many clips, `tinyclap shard`, `embed-teacher` and `plan`: thin. Heavy imports happen inside them."""

import re
from pathlib import Path
from typing import Annotated

import typer

from tinyclap.cli.options import AsJson
from tinyclap.cli.teams import CommandWithRay, RayAddress, Workers

sharding = typer.Typer()
MOST_CLIPS = 1e12


@sharding.command()
def shard(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER", help="A folder of sounds, a manifest (.csv, .jsonl), or what --data has as root."
        ),
    ],
    out: Annotated[str, typer.Option(help="The shards, with the place of a number, e.g. data-%04d.tar.")],
    data: Annotated[str | None, typer.Option(help="Its kind, as in a recipe; by default folder or manifest.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Another key, e.g. folds=[1,2].")
    ] = None,
    shard_mb: Annotated[float, typer.Option("--shard-mb", min=0.001, help="Megabytes of sounds in a shard.")] = 500.0,
    clips: Annotated[int | None, typer.Option("--clips", min=1, help="Clips in a shard, at most.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace shards that hold something else.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write sounds, and what is said of them, into WebDataset tars.

    A finished shard is kept: the same again goes on where a killed one stopped.
    """
    from tinyclap.config.evaluation_data import other_data
    from tinyclap.data import build_dataset
    from tinyclap.data.shards.writing import write_shards
    from tinyclap.reports.console.scale import shards_lines, shards_object

    kind = data or ("manifest" if Path(source).is_file() else "folder")
    asked = other_data(kind, source, settings=settings or [])
    dataset = build_dataset(asked.spec)
    written = write_shards(dataset, out, shard_bytes=round(shard_mb * 1e6), clips=clips, overwrite=overwrite)
    typer.echo(shards_object(written) if as_json else shards_lines(written))


@sharding.command("embed-teacher", cls=CommandWithRay)
def embed_teacher_command(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or a shipped recipe's name.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="E.g. data.train.root=my_sounds")
    ] = None,
    workers: Workers = None,
    ray: RayAddress = None,
    share: Annotated[
        str, typer.Option("--shard", metavar="I/N", help="The I-th of N shares, counted from 1: one for each machine.")
    ] = "1/1",
    as_json: AsJson = False,
) -> None:
    """Embed a recipe's views with its teacher before the training, by many processes or machines.

    Of several teachers one after the other. What is there is skipped, so the same command goes on where a killed one
    stopped.
    """
    from tinyclap.config.load_recipe import load_recipe
    from tinyclap.reports.console.scale import embedded_lines, embedded_object

    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", share)
    if found is None:
        raise typer.BadParameter(f"{share!r} is no share; give I/N, e.g. 3/100", param_hint="--shard")
    loaded = load_recipe(recipe, overrides or [], task="distill")
    typer.echo("loading torch and the teacher ...", err=True)
    from tinyclap.common.crew.team import Team
    from tinyclap.pipelines.scale.embed_teacher import embed_teacher

    embedded = embed_teacher(loaded, Team(workers, ray), share=(int(found[1]), int(found[2])))
    each = [one.as_dict() for one in embedded]
    typer.echo(embedded_object(each) if as_json else embedded_lines(each, [recipe, *(overrides or [])]))


def _clips(given: float | None) -> int | None:
    """--clips, which may be written as 2e6."""
    if given is not None and not 1 <= given <= MOST_CLIPS:  # NaN neither
        raise typer.BadParameter(f"{given:g}: allowed: 1 to {MOST_CLIPS:g}", param_hint="--clips")
    return None if given is None else round(given)


@sharding.command()
def plan(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or a shipped recipe's name.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="E.g. views.per_clip=4")
    ] = None,
    clips: Annotated[float | None, typer.Option(help="E.g. 2e6; by default as many as its data has.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Of a clip; by default the mean of its data.")] = None,
    gpus: Annotated[int, typer.Option(min=1, help="Accelerators that share the work.")] = 1,
    cores: Annotated[int | None, typer.Option(min=1, help="Of the machine that decodes; as here by default.")] = None,
    kind: Annotated[str | None, typer.Option(help="Of accelerator, e.g. h100; by default this machine.")] = None,
    price: Annotated[float | None, typer.Option(help="Of one for an hour, in any currency.")] = None,
    teacher_rate: Annotated[float | None, typer.Option(help="Views that one embeds a second.")] = None,
    student_rate: Annotated[float | None, typer.Option(help="Clips that one trains on a second.")] = None,
    decode_rate: Annotated[float | None, typer.Option(help="Seconds of sound that a process decodes a second.")] = None,
    view_rate: Annotated[float | None, typer.Option(help="Views that a process renders a second.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a distillation would take: storage, hours, cost, and what bounds it.

    What is not given is measured here in a minute, or scaled by the published peak of an accelerator.
    """
    from tinyclap.config.load_recipe import load_recipe
    from tinyclap.hardware.accelerators import accelerator
    from tinyclap.reports.console.plan import plan_lines, plan_object

    many = _clips(clips)
    if kind is not None:
        accelerator(kind)
    loaded = load_recipe(recipe, overrides or [], task="distill")
    typer.echo("measuring here: decoding, views, teacher and student, on a few clips ...", err=True)
    from tinyclap.pipelines.scale.plan import Asked, plan_recipe

    rates = {"teacher_rate": teacher_rate, "student_rate": student_rate, "decode_rate": decode_rate}
    asked = Asked(many, seconds, gpus, cores, kind, price, view_rate=view_rate, **rates)
    planned = plan_recipe(loaded, asked).as_dict()
    typer.echo(plan_object(planned) if as_json else plan_lines(planned, [recipe, *(overrides or [])], gpus))
