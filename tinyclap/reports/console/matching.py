"""How clips fit their prompts, captions found for clips, and labels from examples, as text, CSV and JSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tinyclap.common.machine import shell_path
from tinyclap.common.numbers import aligned, decimal, known, percent, percent_interval, points, whole
from tinyclap.embeddings.calibration import Calibration
from tinyclap.errors import listed
from tinyclap.matching.adapt import Adapted
from tinyclap.matching.adapt import Score as Accuracy
from tinyclap.matching.captions import Captioned
from tinyclap.matching.result import Distance, Pair, Result, Score
from tinyclap.runtime.bundle import Bundle

PAIR_COLUMNS = ("file", "prompt", "cosine", "calibrated", "teacher", "level_dbfs", "reason")
CAPTION_COLUMNS = ("file", "rank", "caption", "cosine", "weight", "reason")
WORST = 5  # pairs shown
LONGEST = 60  # characters of a text in a table
SILENT = "silence, or too quiet to tell"


def score_table(result: Result) -> str:
    """A result as lines, the clips that fit their prompts least at the end."""
    by = result.by
    rows = []
    if result.score is not None:
        counted = f"{whole(result.n_clips)} clips, {whole(result.n_prompts)} prompts"
        rows.append(("CLAP score", f"{_with_interval(result.score)}, {counted}"))
        rows.append(("others' prompts", f"{decimal(result.score.mismatched)}, the same clips"))
    if result.calibration is not None and result.calibrated is not None:
        rows.append(("as its teacher", f"{_with_interval(result.calibrated)}; {_line(result.calibration)}"))
    if result.teacher is not None and result.teacher_score is not None:
        rows.append(("its teacher", f"{_with_interval(result.teacher_score)}, {result.teacher['name']}"))
    if result.distance is not None:
        rows += _distance_rows(result.distance)
    model = f"{whole(by['sample_rate'])} Hz, windows of {by['window_s']:g} s, words: {by['words']}"
    rows.append(("by", f"{by['kind']} {by['name']}; {model}"))
    rows += [("silent", f"{whole(result.n_silent)} clips, which count")] if result.n_silent else []
    if result.unmatched:
        rows.append(("no prompt", f"{whole(len(result.unmatched))} files: {listed(result.unmatched)}"))
    lowest = sorted((pair for pair in result.pairs if pair.cosine is not None), key=_cosine)[:WORST]
    shown = [(f"{_cosine(pair):+.3f}", pair.file, _short(pair.prompt)) for pair in lowest]
    return "\n".join([*aligned(rows), *(["", "lowest", *(f"  {line}" for line in aligned(shown))] if shown else [])])


def score_object(result: Result) -> str:
    """A result as one JSON object."""
    return json.dumps(result.as_object())


def pairs_csv(pairs: Sequence[Pair]) -> str:
    """A line for every clip and prompt, with a header."""
    return _csv(PAIR_COLUMNS, [[asdict(pair)[name] for name in PAIR_COLUMNS] for pair in pairs])


def caption_lines(found: Captioned) -> str:
    """A file's name and a line for every caption."""
    if found.silent:
        return f"{found.file}\n  {SILENT}"
    mixed = "" if found.mixture_cosine is None else f"  (together cosine {found.mixture_cosine:+.3f})"
    weights = ["" if each.weight is None else f"  weight {each.weight:.2f}" for each in found.captions]
    lines = [f"  {each.cosine:+.3f}{weight}  {each.text}" for each, weight in zip(found.captions, weights, strict=True)]
    return "\n".join([f"{found.file}{mixed}", *lines])


def captions_csv(found: Captioned | None) -> str:
    """The lines of a file; of None the header."""
    if found is None:
        return _csv(CAPTION_COLUMNS, []).removesuffix("\n")
    rows: list[list[object]] = [
        [found.file, rank, each.text, each.cosine, each.weight, ""] for rank, each in enumerate(found.captions, start=1)
    ]
    nothing = [found.file, "", "", None, None, SILENT if found.silent else found.reason or ""]
    return _csv(None, rows or [nothing]).removesuffix("\n")


def captions_object(bundle: Bundle, n_captions: int, results: Sequence[Captioned]) -> str:
    """One JSON object: by which bundle, of how many captions, what was found, and the files that cannot be used."""
    good = [
        {key: value for key, value in asdict(entry).items() if key != "reason"}
        for entry in results
        if entry.reason is None
    ]
    bad = [{"file": entry.file, "reason": entry.reason} for entry in results if entry.reason is not None]
    return json.dumps({"bundle": str(bundle.folder), "captions": n_captions, "results": good, "bad": bad})


def adapted_table(made: Adapted, out: Path) -> str:
    """Labels from examples, and how they do beside the words alone, as lines; the next command at the end."""
    fewest, most = min(made.counts), max(made.counts)
    each = whole(fewest) if fewest == most else f"{whole(fewest)} to {whole(most)}"
    how = (
        f"{made.method}; a label's words count as {made.words:g} examples" if made.words else f"{made.method}, no words"
    )
    rows = [("labels", f"{whole(len(made.labels))}, of {each} examples each; by {how}")]
    check = made.check
    if check is None:
        rows.append(("held out", "nothing can be: one recording of each label; give more examples to measure them"))
    else:
        times = "each recording" if check.groups >= check.n_recordings else f"{check.groups} groups of recordings"
        rows.append(("held out", f"{whole(check.n)} examples, {times} in turn"))
        rows.append(("accuracy", _accuracy(check.adapted)))
        if check.words is not None:
            rows.append(
                ("words alone", f"{_accuracy(check.words)}; the examples add {points(check.gain, check.gain_ci95)}")
            )
    rows += [("bundle", str(out)), ("next", f"tinyclap classify YOUR_SOUNDS --bundle {shell_path(out)}")]
    return "\n".join(aligned(rows))


def adapted_notes(made: Adapted) -> list[str]:
    """What must be known beside the result: files left out, words left out, and examples that are of no help."""
    notes = [f"left out: {file}: {reason}" for file, reason in made.bad]
    if made.nameless:
        notes.append(f"without the labels' words, since {made.nameless}")
    if made.check and made.check.gain_ci95 and made.check.gain_ci95[1] < 0:
        notes.append(
            "held out, the words alone do better: give more examples of each label, or keep the bundle as it was"
        )
    return notes


def adapted_object(made: Adapted, out: Path) -> str:
    """One JSON object."""
    return json.dumps({"bundle": str(out), **made.facts()})


def _accuracy(score: Accuracy) -> str:
    return f"{percent(score.accuracy)} {percent_interval(score.ci95)}"


def _with_interval(score: Score) -> str:
    ends = "" if score.ci95 is None else f" [{decimal(score.ci95[0])}, {decimal(score.ci95[1])}]"
    return f"{decimal(score.score)}{ends}"


def _line(made: Calibration) -> str:
    low, high = made.pearson_ci95
    correlated = (
        f"correlation {decimal(made.pearson)} [{decimal(low)}, {decimal(high)}], of ranks {decimal(made.spearman)}"
    )
    return f"{made.slope:.3f} times the score {made.intercept:+.3f}; {correlated}; error {decimal(made.error)} a clip"


def _distance_rows(distance: Distance) -> list[tuple[str, str]]:
    clips = f"{whole(distance.n_generated)} clips to {whole(distance.n_reference)} of the reference"
    few = f"; fewer clips than {distance.embed_dim} dimensions: too large, take KAD" if distance.few else ""
    return [
        ("Frechet distance", f"{distance.frechet:.4f}, {clips}{few}"),
        ("KAD", f"{distance.kad:.4f}, kernel of bandwidth {distance.bandwidth:.4f}, the reference's median"),
    ]


def _cosine(pair: Pair) -> float:
    return pair.cosine if pair.cosine is not None else 0.0


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _csv(columns: Sequence[str] | None, rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if columns is not None:
        writer.writerow(columns)
    writer.writerows(
        [[f"{cell:.6f}" if isinstance(cell, float) and known(cell) else cell for cell in row] for row in rows]
    )
    return text.getvalue()
