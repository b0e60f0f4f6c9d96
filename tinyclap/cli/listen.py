"""The command `tinyclap listen`. Heavy imports happen inside it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyclap.cli.device import (
    BundleOption,
    Int8,
    Labels,
    MultiLabel,
    Provider,
    SilenceBelow,
    Threads,
    Threshold,
    judging,
    load_bundle,
)

if TYPE_CHECKING:
    from tinyclap.runtime.judge import Answer

listening = typer.Typer()


@listening.command()
def listen(
    bundle: BundleOption = None,
    labels: Labels = None,
    hop: Annotated[float, typer.Option("--hop", help="Seconds between two answers.")] = 1.0,
    smoothing: Annotated[float, typer.Option("--smoothing", help="Weight of the past, 0 to below 1.")] = 0.0,
    top: Annotated[int, typer.Option("--top", min=1, help="Labels per answer.")] = 3,
    threshold: Threshold = None,
    silence_below: SilenceBelow = None,
    multi_label: MultiLabel = False,
    file: Annotated[Path | None, typer.Option("--file", help="Listen to a file instead of the microphone.")] = None,
    microphone: Annotated[str | None, typer.Option("--microphone", help="Number or part of the name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per answer.")] = False,
    threads: Threads = None,
    provider: Provider = None,
    int8: Int8 = None,
) -> None:
    """Say what the microphone hears, until Ctrl-C."""
    from tinyclap.audio import microphone as live
    from tinyclap.audio import windows
    from tinyclap.runtime.labels import read_labels
    from tinyclap.runtime.live.answers import answers

    wanted = None if labels is None else read_labels(labels)
    loaded = load_bundle(bundle, threads, provider, int8)
    judge = loaded.judge(wanted, **judging(top, threshold, silence_below, multi_label))
    rate = loaded.sample_rate
    if file is None:
        rate, blocks = live.microphone(rate, microphone)
    else:
        blocks = windows.read_chunks(file, rate, loaded.manifest.window_samples)
    try:
        for time_s, answer in answers(loaded, judge, blocks, hop_s=hop, smoothing=smoothing, sample_rate=rate):
            _say(time_s, answer, as_json)
    except KeyboardInterrupt:
        typer.echo("", err=True)


def _say(time_s: float, answer: "Answer", as_json: bool) -> None:
    from tinyclap.runtime.classify_files import answer_object

    if as_json:
        typer.echo(json.dumps({"time_s": round(time_s, 3), **answer_object(answer)}))
        return
    told = "   ".join(f"{entry.label} {entry.probability:.0%}" for entry in answer)
    if answer.outcome != "label":
        told = answer.outcome + (f" ({told})" if told else "")
    typer.echo(f"{time_s:9.2f} s  {told}")
