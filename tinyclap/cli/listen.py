"""The command `tinyclap listen`. Heavy imports happen inside it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinyclap.cli.device import (
    BundleOption,
    Channel,
    Head,
    Int8,
    Labels,
    MultiLabel,
    Prompts,
    Provider,
    SilenceBelow,
    Threads,
    Threshold,
    judging,
    load_bundle,
)
from tinyclap.cli.options import refuse_several

if TYPE_CHECKING:
    from tinyclap.audio.pcm_stream import SampleFormat
    from tinyclap.runtime.judge import Answer

listening = typer.Typer()

Timed = Iterator[tuple[float, "Answer"]]


@listening.command()
def listen(
    bundle: BundleOption = None,
    labels: Labels = None,
    prompts: Prompts = None,
    hop: Annotated[float, typer.Option("--hop", help="Seconds between two answers.")] = 1.0,
    smoothing: Annotated[float, typer.Option("--smoothing", help="Weight of the past, 0 to below 1.")] = 0.0,
    top: Annotated[int, typer.Option("--top", min=1, help="Labels per answer.")] = 3,
    threshold: Threshold = None,
    silence_below: SilenceBelow = None,
    multi_label: MultiLabel = False,
    file: Annotated[
        Path | None, typer.Option("--file", help="Listen to a file, a pipe or, -, standard input; no microphone.")
    ] = None,
    raw_rate: Annotated[
        int | None, typer.Option("--raw-rate", metavar="HZ", help="Its sample rate, if it has no header.")
    ] = None,
    raw_format: Annotated[
        str | None,
        typer.Option("--raw-format", help="Its samples then, as ffmpeg calls them: u8, s16le (the default), f32le ..."),
    ] = None,
    raw_channels: Annotated[int | None, typer.Option("--raw-channels", help="Its channels then; 1 by default.")] = None,
    channel: Channel = None,
    microphone: Annotated[str | None, typer.Option("--microphone", help="Number or part of the name.")] = None,
    confirm: Annotated[
        str | None, typer.Option("--confirm", metavar="N/M", help="Tell events: what N of M answers in a row say.")
    ] = None,
    hold_off: Annotated[
        float | None, typer.Option("--hold-off", metavar="SECONDS", help="No new event of a label so soon after one.")
    ] = None,
    on_start: Annotated[
        str | None, typer.Option("--on-start", metavar="COMMAND", help="Run as soon as an event has begun.")
    ] = None,
    on_event: Annotated[
        str | None,
        typer.Option("--on-event", metavar="COMMAND", help="Run when it has ended; the event is JSON on its input."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per answer or event.")] = False,
    threads: Threads = None,
    provider: Provider = None,
    int8: Int8 = None,
    head: Head = None,
) -> None:
    """Say what the microphone hears, until Ctrl-C.

    With --confirm, --hold-off, --on-start or --on-event, it tells events with start and end rather than every answer.
    """
    refuse_several(file=file is not None, microphone=microphone is not None)
    from tinyclap.reports.console.answers import event_line, live_line
    from tinyclap.runtime.labels import read_labels, read_prompts
    from tinyclap.runtime.live.answers import answers
    from tinyclap.runtime.live.events import Events, event_threshold, events_of, needed_among
    from tinyclap.runtime.live.hook import Hooks
    from tinyclap.runtime.live.source import sound_of

    wanted, templates = None if labels is None else read_labels(labels), read_prompts(prompts)
    raw = _raw_format(file, raw_rate, raw_format, raw_channels)
    wants_events = any(option is not None for option in (confirm, hold_off, on_start, on_event))
    events = Events(*needed_among(confirm or "1/1"), hold_off_s=hold_off or 0.0) if wants_events else None
    loaded = load_bundle(bundle, threads, provider, int8, head=head)
    if events is not None and threshold is None:
        threshold = event_threshold(loaded)
        if threshold is None:
            typer.echo("this bundle has no background sounds: every answer is its nearest label", err=True)
    judge = loaded.judge(wanted, prompts=templates, **judging(top, threshold, silence_below, multi_label))
    try:
        rate, blocks = sound_of(
            file, loaded.sample_rate, loaded.manifest.window_samples, raw=raw, device=microphone, channel=channel
        )
        timed = _until_ctrl_c(answers(loaded, judge, blocks, hop_s=hop, smoothing=smoothing, sample_rate=rate))
        if events is None:
            for time_s, answer in timed:
                typer.echo(live_line(time_s, answer, as_json=as_json))
            return
        with Hooks(on_start, on_event, _warn) as hooks:
            for event in events_of(timed, events):
                hooks(event)
                if event.end_s is not None:
                    typer.echo(event_line(event, as_json=as_json))
    except BrokenPipeError:  # whoever read the answers has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        typer.echo("", err=True)


def _raw_format(
    file: Path | None, rate: int | None, encoding: str | None, channels: int | None
) -> "SampleFormat | None":
    """How the samples of a file without a header stand; None for one that has one.

    Raises:
        BadParameter: options that would have no effect.
    """
    from tinyclap.audio.pcm_stream import SampleFormat

    more = {"encoding": encoding, "channels": channels}
    given = {"rate": rate, "format": encoding, "channels": channels}
    first = next((f"--raw-{name}" for name, value in given.items() if value is not None), None)
    if first and file is None:
        raise typer.BadParameter(f"{first} says how the samples of a file or pipe stand; give --file too")
    if rate is None:
        if first:
            raise typer.BadParameter(f"{first} is for samples without a header; give their rate too, --raw-rate HZ")
        return None
    settings: dict[str, Any] = {name: value for name, value in more.items() if value is not None}
    return SampleFormat(rate, **settings)


def _until_ctrl_c(answers: Timed) -> Timed:
    """Answers as they come; Ctrl-C ends them as if the sound had ended."""
    try:
        yield from answers
    except KeyboardInterrupt:
        typer.echo("", err=True)


def _warn(line: str) -> None:
    typer.echo(f"warning: {line}", err=True)
