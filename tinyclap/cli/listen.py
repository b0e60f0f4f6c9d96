"""The command `tinyclap listen`. Heavy imports happen inside it."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyclap.cli.device import (
    BundleOption,
    Channel,
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
    import numpy as np

    from tinyclap.runtime.bundle import Bundle
    from tinyclap.runtime.judge import Answer
    from tinyclap.runtime.live.events import Event, Events

listening = typer.Typer()

Timed = Iterable[tuple[float, "Answer"]]


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
    file: Annotated[
        Path | None, typer.Option("--file", help="Listen to a file, a pipe or, -, standard input; no microphone.")
    ] = None,
    raw_rate: Annotated[
        int | None, typer.Option("--raw-rate", metavar="HZ", help="Its sample rate, if it has no header.")
    ] = None,
    raw_format: Annotated[
        str, typer.Option("--raw-format", help="Its samples then, as ffmpeg calls them: u8, s16le, f32le ...")
    ] = "s16le",
    raw_channels: Annotated[int, typer.Option("--raw-channels", help="Its channels then.")] = 1,
    channel: Channel = None,
    microphone: Annotated[str | None, typer.Option("--microphone", help="Number or part of the name.")] = None,
    confirm: Annotated[
        str | None, typer.Option("--confirm", metavar="N/M", help="Tell events: what N of M answers in a row hear.")
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
) -> None:
    """Say what the microphone hears, until Ctrl-C.

    With --confirm, --hold-off, --on-start or --on-event, it tells events with start and end rather than every answer.
    """
    from tinyclap.runtime.judge import DEFAULT_THRESHOLD
    from tinyclap.runtime.labels import read_labels
    from tinyclap.runtime.live.answers import answers
    from tinyclap.runtime.live.events import Events, needed_among

    wanted = None if labels is None else read_labels(labels)
    told = any(option is not None for option in (confirm, hold_off, on_start, on_event))
    events = Events(*needed_among(confirm or "1/1"), hold_off_s=hold_off or 0.0) if told else None
    loaded = load_bundle(bundle, threads, provider, int8)
    if events is not None and threshold is None:
        threshold = None if loaded.background is None else DEFAULT_THRESHOLD
        if threshold is None:
            typer.echo("this bundle has no background sounds: every answer hears its nearest label", err=True)
    judge = loaded.judge(wanted, **judging(top, threshold, silence_below, multi_label))
    try:
        rate, blocks = _sound(loaded, file, (raw_rate, raw_format, raw_channels), microphone, channel)
        heard = answers(loaded, judge, blocks, hop_s=hop, smoothing=smoothing, sample_rate=rate)
        if events is None:
            for time_s, answer in _until_ctrl_c(heard):
                _say(time_s, answer, as_json)
        else:
            _tell_events(_until_ctrl_c(heard), events, on_start, on_event, as_json)
    except BrokenPipeError:  # whoever read the answers has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        typer.echo("", err=True)


def _sound(
    bundle: "Bundle",
    file: Path | None,
    raw: tuple[int | None, str, int],
    microphone: str | None,
    channel: int | None,
) -> "tuple[int, Iterable[np.ndarray]]":
    from tinyclap.audio import microphone as live
    from tinyclap.audio.pcm_stream import SampleFormat
    from tinyclap.audio.windows import at_rate
    from tinyclap.runtime.live.source import sound_of

    rate = bundle.sample_rate
    if file is None:
        rate, blocks = live.microphone(rate, microphone)
        return rate, at_rate(blocks, rate, rate, channel)
    bare = None if raw[0] is None else SampleFormat(raw[0], *raw[1:])
    return sound_of(file, rate, bundle.manifest.window_samples, bare, channel)


def _until_ctrl_c(heard: Timed) -> Iterator[tuple[float, "Answer"]]:
    """What is heard; Ctrl-C ends it as if the sound had ended."""
    try:
        yield from heard
    except KeyboardInterrupt:
        typer.echo("", err=True)


def _tell_events(heard: Timed, events: "Events", on_start: str | None, on_event: str | None, as_json: bool) -> None:
    from tinyclap.runtime.live.events import labels_heard
    from tinyclap.runtime.live.hook import Hook

    hooks = {name: Hook(command, _warn) for name, command in (("start", on_start), ("end", on_event)) if command}

    def tell(event: "Event") -> None:
        hook = hooks.get("start" if event.end_s is None else "end")
        if hook:
            hook(event)
        if event.end_s is not None:
            plain = f"{event.start_s:9.2f} to {event.end_s:9.2f} s  {event.label}  {event.score:.4f}"
            typer.echo(json.dumps(event.as_object()) if as_json else plain)

    try:
        for time_s, answer in heard:
            for event in events.add(time_s, labels_heard(answer)):
                tell(event)
        for event in events.finish():
            tell(event)
    finally:
        for hook in hooks.values():
            hook.finish()


def _warn(line: str) -> None:
    typer.echo(f"warning: {line}", err=True)


def _say(time_s: float, answer: "Answer", as_json: bool) -> None:
    from tinyclap.runtime.classify_files import answer_object

    if as_json:
        typer.echo(json.dumps({"time_s": round(time_s, 3), **answer_object(answer)}))
        return
    told = "   ".join(f"{entry.label} {entry.probability:.0%}" for entry in answer)
    if answer.outcome != "label":
        told = answer.outcome + (f" ({told})" if told else "")
    typer.echo(f"{time_s:9.2f} s  {told}")
