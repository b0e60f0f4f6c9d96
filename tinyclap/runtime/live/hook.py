"""Commands that events set off, which the sound never waits for."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

from tinyclap.runtime.live.events import Event

MOST_RUNNING = 8
PATIENCE_S = 10.0  # for commands that still run when the sound has ended


class Hook:
    """Runs a shell command for each event.

    It gets the event as JSON on its standard input, and as TINYCLAP_LABEL, TINYCLAP_START_S, TINYCLAP_END_S (empty
    while the event goes on) and TINYCLAP_SCORE. What it prints goes to standard error.

    Args:
        command: for the shell.
        tell: called with a line, once, when the command fails, and once when events are too many for it.
    """

    def __init__(self, command: str, tell: Callable[[str], None]) -> None:
        self._command, self._tell = command, tell
        self._running: list[subprocess.Popen[bytes]] = []
        self._said: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Start the command and go on."""
        self._reap()
        if len(self._running) >= MOST_RUNNING:
            self._once("busy", f"{MOST_RUNNING} of it still run; events that come meanwhile do not start it")
            return
        values = event.as_object()
        texts = {
            name: "" if values[name] is None else str(values[name]) for name in ("label", "start_s", "end_s", "score")
        }
        try:
            started = subprocess.Popen(
                self._command,
                shell=True,  # the user's own command, on the user's own machine
                stdin=subprocess.PIPE,
                stdout=2,
                env={**os.environ, **{f"TINYCLAP_{name.upper()}": text for name, text in texts.items()}},
                start_new_session=True,  # Ctrl-C ends the listening, not what it has set off
            )
        except OSError as error:
            self._once("failed", f"cannot be started: {error}")
            return
        self._running.append(started)
        assert started.stdin is not None
        # One that does not read its input, or has ended, breaks the pipe: its exit code tells.
        with suppress(BrokenPipeError), started.stdin as stream:
            stream.write(json.dumps(values, ensure_ascii=False).encode() + b"\n")  # fits any pipe: no waiting

    def finish(self) -> None:
        """Wait a little for the commands that still run; those that take longer go on by themselves."""
        patience = time.monotonic() + PATIENCE_S
        for process in self._running:
            try:
                process.wait(max(0.0, patience - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._once("slow", "still runs; it goes on by itself")
        self._reap()

    def _reap(self) -> None:
        codes = [process.poll() for process in self._running]
        failed = [code for code in codes if code]
        if failed:
            self._once("failed", f"ends with {failed[0]}; no further failure of it is told")
        self._running = [process for process, code in zip(self._running, codes, strict=True) if code is None]

    def _once(self, what: str, line: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._tell(f"{self._command}: {line}")


class Hooks:
    """The commands for the begin and for the end of events, either of which may be None; ends as `Hook.finish` does."""

    def __init__(self, on_start: str | None, on_end: str | None, tell: Callable[[str], None]) -> None:
        self._start, self._end = (Hook(command, tell) if command else None for command in (on_start, on_end))

    def __call__(self, event: Event) -> None:
        """Start the command that is for this event."""
        hook = self._start if event.end_s is None else self._end
        if hook:
            hook(event)

    def __enter__(self) -> "Hooks":
        return self

    def __exit__(self, *_: object) -> None:
        for hook in (self._start, self._end):
            if hook:
                hook.finish()
