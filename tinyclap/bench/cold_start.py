"""What a fresh process pays: from its start to the first embedding, and the memory it takes.

`python -c "from tinyclap.bench.cold_start import main; main()" MODEL PROVIDER THREADS BATCH CALLS` is that process.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tinyclap.bench.model import TimedGraph
from tinyclap.common.machine import peak_rss_bytes
from tinyclap.errors import MachineError

STARTS = 3
WINDOWS = 20  # embedded before the memory is asked for
# Without the current folder among the places of modules, but first with this package's: it need not be installed, and
# another tinyclap may be.
START = "import sys; sys.path.insert(0, {root!r}); from tinyclap.bench.cold_start import main; main()"


@dataclass(frozen=True)
class ColdStart:
    """One fresh process.

    Attributes:
        start_s: from its start to the first embedding, seconds; its files were read before by others.
        peak_rss_bytes: most memory that it held; None where the system does not tell.
    """

    start_s: float
    peak_rss_bytes: int | None


def measure_cold_start(model: TimedGraph, *, provider: str | None, threads: int, batch: int) -> list[ColdStart]:
    """STARTS fresh processes one after another; the first embeds WINDOWS clips, the others one batch.

    Raises:
        MachineError: such a process failed.
    """
    settings = [provider or "", str(threads), str(batch)]
    return [_start(model, [*settings, str(1 if row else -(-WINDOWS // batch))]) for row in range(STARTS)]


def _start(model: TimedGraph, settings: list[str]) -> ColdStart:
    code = START.format(root=str(Path(__file__).parents[2]))
    began = time.perf_counter()
    command = [sys.executable, "-P", "-c", code, model.to_json(), *settings]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        try:
            embedded = process.stdout.readline()
            start_s = time.perf_counter() - began
            peak = process.stdout.read()  # `communicate` would lose what came together with the first line
            process.wait()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        log.seek(0)
        errors = log.read()
    if process.returncode or not embedded:
        reason = errors.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise MachineError(f"{model.path}: a fresh process could not embed with it ({reason[0]}); is memory short?")
    return ColdStart(start_s, int(peak) if peak.strip() else None)


def main() -> None:
    """The fresh process: says a word after the first embedding, and at its end the bytes it held."""
    text, provider, threads, batch, calls = sys.argv[1:]
    model = TimedGraph.from_json(text)
    encode, _ = model.open(provider or None, int(threads))
    clips = model.clips(int(batch))
    encode(clips)
    sys.stdout.write("embedded\n")
    sys.stdout.flush()
    for _ in range(int(calls) - 1):
        encode(clips)
    sys.stdout.write(f"{peak_rss_bytes() or ''}\n")
