"""CLAP score: how well clips fit the prompts that they were made of, as those who make sound from text report it.

What is computed, so that a figure can be set beside others:

- score: the mean over the lines of the prompt table of cos(sound, text), as in Make-An-Audio (arXiv 2301.12661), MAGNeT
  (arXiv 2401.04577) and the package stable-audio-metrics. Nothing is clipped or multiplied; with `clip` a negative
  cosine counts 0, as in CLIPScore (arXiv 2104.08718), without its factor of 2.5.
- model: scores of different models do not compare, and neither do those of different checkpoints of one. Papers mostly
  mean LAION-CLAP 630k-audioset-fusion-best at 48 kHz; `--teacher laion:FILE.pt` scores with those without fusion, e.g.
  630k-audioset-best. A student scores in its teacher's space, on its own scale; a calibration takes it to the other.
- sound: mixed to mono, resampled by soxr "HQ" to the model's rate, whole clips: windows of the model's length one after
  the other, the last one aligned to the end, weighted by level; a shorter clip is repeated. Levels stay as they are;
  `peak_dbfs` = -1 is what stable-audio-metrics does. Nothing is rounded to 16 bits.
- text: the prompt as it is, in no template.
- interval: 95 %, bootstrap over clips; those that share a prompt, and prompts that share a clip, are drawn together.
- `mismatched`: the mean cosine of the same clips to the others' prompts; a score is worth how far it lies above.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.audio.level import SILENCE_BELOW_DBFS
from tinyclap.common.files import read_json
from tinyclap.common.groups import connected
from tinyclap.common.statistics import bootstrap_sums, interval
from tinyclap.embeddings.calibration import Calibration, calibrate, stored_calibration
from tinyclap.embeddings.distances import frechet_distance, kernel_distance, median_distance
from tinyclap.errors import GateError, TinyclapError, listed
from tinyclap.matching.encoder import Embedded, Encoder, embed_clips
from tinyclap.matching.prompts import Matched, Prompt, match
from tinyclap.matching.result import Distance, Pair, Result, Score

N_BOOTSTRAP = 2000
FEWEST = 2  # clips from which on there is an interval


def score(
    encoder: Encoder,
    sounds: Sequence[Path],
    prompts: Sequence[Prompt] | None = None,
    *,
    roots: Sequence[Path] = (),
    reference: Sequence[Path] | None = None,
    teacher: Encoder | None = None,
    calibration: Calibration | None = None,
    clip: bool = False,
    peak_dbfs: float | None = None,
    workers: int = 1,
) -> Result:
    """Score clips by their prompts, measure how far they are from a reference, or both.

    Args:
        encoder: that embeds sounds and texts.
        sounds: files of the clips.
        prompts: what they were made of; None to measure the distance alone, of all of `sounds`.
        roots: folders in which the prompts' paths begin.
        reference: files of other sounds; None to measure no distance.
        teacher: that embeds the same clips, and to whose scores those of `encoder` are calibrated.
        calibration: that was made before, of this encoder.
        clip: count negative cosines as 0.
        peak_dbfs: of which each sound's peak is made first; None leaves levels as they are.
        workers: files embedded at the same time.

    Raises:
        TinyclapError: neither prompts nor a reference, a prompt that fits several files, no clip that can be used, a
            peak above 0 dBFS, or too few clips to calibrate or to measure a distance.
    """
    if prompts is None and reference is None:
        raise TinyclapError("there is nothing to compare the sounds with; give --prompts, --reference or both")
    if peak_dbfs is not None and not -120 <= peak_dbfs <= 0:
        raise TinyclapError(f"peak is {peak_dbfs} dBFS: it must lie between -120 and 0")
    how: dict[str, Any] = {"peak_dbfs": peak_dbfs, "workers": workers}
    settings = {"peak_dbfs": peak_dbfs, "clip": clip}
    matched = None if prompts is None else match(prompts, sounds, roots)
    if matched is not None and not matched.pairs:
        raise TinyclapError(f"no prompt names any of the {len(sounds)} files; the first is of {matched.missing[0]}")
    paired = list(dict.fromkeys(file for file, _ in matched.pairs)) if matched else []
    embedded = embed_clips(encoder, paired if reference is None else sounds, **how)
    result = Result(encoder.described(), settings, bad={str(file): reason for file, reason in embedded.bad.items()})
    if matched is not None:
        by_teacher = None
        if teacher is not None:
            by_teacher = (teacher, embed_clips(teacher, paired, what=f"{teacher.name} embeds", **how))
        more: dict[str, Any] = {"teacher": by_teacher, "calibration": calibration}
        result = scored(encoder, embedded, matched, settings=settings, **more)
    if reference is not None:
        others = embed_clips(encoder, reference, what="embed the reference", **how)
        bad = {**result.bad, **{str(file): reason for file, reason in others.bad.items()}}
        result = replace(result, distance=distance_between(others, embedded), bad=bad)
    return result


def refuse_incomplete(result: Result) -> None:
    """Raise a GateError where clips that should have counted do not."""
    faults = []
    if result.missing:
        faults.append(f"{len(result.missing)} clips with a prompt are not there: {listed(result.missing)}")
    if result.bad:
        reasons = [f"{file} ({reason})" for file, reason in result.bad.items()]
        faults.append(f"{len(reasons)} files cannot be used: {listed(reasons)}")
    if faults:
        raise GateError(f"{'; '.join(faults)}; the result above is of the others")


@dataclass(frozen=True)
class Cosines:
    """Pairs of clips and prompts that could be compared.

    Attributes:
        places: among all pairs.
        values: their cosines (N,), as they count.
        drawn: see `drawn_together`, (N,).
        mismatched: mean cosine of all clips and prompts that are no pairs; None where there are none.
    """

    places: Sequence[int]
    values: np.ndarray
    drawn: np.ndarray
    mismatched: float | None

    @property
    def score(self) -> Score:
        """Their mean."""
        return mean_score(self.values, self.drawn, self.mismatched)


def cosines(encoder: Encoder, embedded: Embedded, matched: Matched, *, clip: bool) -> Cosines:
    """The cosine of each pair whose clip could be used; with `clip` a negative one counts 0.

    Raises:
        TinyclapError: none could, or the encoder cannot read a prompt.
    """
    row_of = {file: row for row, file in enumerate(embedded.files)}
    places = [place for place, (file, _) in enumerate(matched.pairs) if file in row_of]
    if not places:
        raise TinyclapError("no clip with a prompt can be used, so there is nothing to score")
    texts = list(dict.fromkeys(matched.pairs[place][1] for place in places))
    text_of = {text: row for row, text in enumerate(texts)}
    vectors = encoder.embed_texts(texts).astype(np.float64)
    rows = np.array([row_of[matched.pairs[place][0]] for place in places])
    columns = np.array([text_of[matched.pairs[place][1]] for place in places])
    sounds = embedded.embeddings.astype(np.float64)
    values = (sounds[rows] * vectors[columns]).sum(axis=1)
    clips = np.unique(rows)
    others = len(clips) * len(texts) - len(places)
    total = float(sounds[clips].sum(axis=0) @ vectors.sum(axis=0))
    mismatched = (total - float(values.sum())) / others if others else None
    drawn = drawn_together([matched.pairs[place] for place in places])
    return Cosines(places, np.maximum(values, 0.0) if clip else values, drawn, mismatched)


def mean_score(values: np.ndarray, drawn: np.ndarray, mismatched: float | None) -> Score:
    """The mean of cosines (N,), with an interval over the groups `drawn` (N,) of pairs that are drawn together."""
    mean = float(values.mean())
    if int(drawn.max()) + 1 < FEWEST:
        return Score(mean, None, mismatched)
    counts, sums = bootstrap_sums(np.stack([np.ones(len(values)), values], axis=1), drawn, N_BOOTSTRAP, 0).T
    return Score(mean, interval(mean, sums / counts, 0.0, (-1.0, 1.0)), mismatched)


def drawn_together(pairs: Sequence[tuple[Any, str]]) -> np.ndarray:
    """A number (N,) from 0 for each pair: the same for pairs that share a clip or a prompt, directly or by others."""
    first: dict[tuple[str, Any], int] = {}
    named = ((place, key) for place, pair in enumerate(pairs) for key in zip(("clip", "prompt"), pair, strict=True))
    links = [(first.setdefault(key, place), place) for place, key in named]
    numbers = np.empty(len(pairs), int)
    for number, members in enumerate(connected(len(pairs), links)):
        numbers[members] = number
    return numbers


def distance_between(reference: Embedded, generated: Embedded) -> Distance:
    """The distances between two collections of clips; raises as `embeddings.distances` does."""
    theirs, ours = reference.embeddings, generated.embeddings
    width = median_distance(theirs)
    kad = kernel_distance(theirs, ours, width)
    return Distance(frechet_distance(theirs, ours), kad, width, len(theirs), len(ours), theirs.shape[1])


def scored(
    encoder: Encoder,
    embedded: Embedded,
    matched: Matched,
    *,
    settings: Mapping[str, Any],
    teacher: tuple[Encoder, Embedded] | None = None,
    calibration: Calibration | None = None,
) -> Result:
    """Clips and their prompts scored.

    Args:
        encoder: that embedded them.
        embedded: the clips.
        matched: their prompts.
        settings: peak_dbfs and clip, see `score`.
        teacher: another encoder and the same clips embedded by it; scores are calibrated to its own.
        calibration: that was made before.

    Raises:
        TinyclapError: no pair can be used, or too few to calibrate.
    """
    clip = bool(settings["clip"])
    own = cosines(encoder, embedded, matched, clip=clip)
    value_of = dict(zip(own.places, own.values.tolist(), strict=True))
    teacher_values: dict[int, float] = {}
    more: dict[str, Any] = {}
    if teacher is not None:
        theirs = cosines(*teacher, matched, clip=clip)
        teacher_values = dict(zip(theirs.places, theirs.values.tolist(), strict=True))
        both = [place for place in own.places if place in teacher_values]
        ours, others = (np.array([values[place] for place in both]) for values in (value_of, teacher_values))
        calibration = calibrate(ours, others, drawn_together([matched.pairs[place] for place in both]))
        more |= {"teacher": teacher[0].described(), "teacher_score": theirs.score}
    if calibration is not None:
        mismatched = None if own.mismatched is None else float(calibration(np.array([own.mismatched]))[0])
        more |= {"calibration": calibration, "calibrated": mean_score(calibration(own.values), own.drawn, mismatched)}
    level_of = dict(zip(embedded.files, embedded.levels_dbfs, strict=True))
    used = {matched.pairs[place][0] for place in own.places}
    return Result(
        encoder.described(),
        settings,
        own.score,
        n_clips=len(used),
        n_prompts=len({matched.pairs[place][1] for place in own.places}),
        n_silent=sum(level_of[file] < SILENCE_BELOW_DBFS for file in used),
        pairs=_pairs(matched, embedded, value_of, teacher_values, calibration),
        missing=list(matched.missing),
        unmatched=[str(file) for file in matched.unmatched],
        bad={str(file): reason for file, reason in embedded.bad.items()},
        **more,
    )


def _pairs(
    matched: Matched,
    embedded: Embedded,
    values: Mapping[int, float],
    teacher_values: Mapping[int, float],
    calibration: Calibration | None,
) -> list[Pair]:
    level_of = dict(zip(embedded.files, embedded.levels_dbfs, strict=True))
    pairs = []
    for place, (file, text) in enumerate(matched.pairs):
        value = values.get(place)
        lifted = None if calibration is None or value is None else float(calibration(np.array([value]))[0])
        level = round(level_of[file], 1) if file in level_of else None
        pairs.append(Pair(str(file), text, value, lifted, teacher_values.get(place), level, embedded.bad.get(file)))
    return pairs


def read_calibration(
    path: Path, encoder: Encoder, *, clip: bool = False, peak_dbfs: float | None = None
) -> Calibration:
    """The calibration in what `tinyclap score --calibrate --json` printed.

    Args:
        path: of the JSON file.
        encoder: whose scores it is for.
        clip, peak_dbfs: with which these are made, see `score`.

    Raises:
        TinyclapError: no such file, none in it, or one of another model or of other settings.
    """
    if not path.is_file():
        raise TinyclapError(f"there is no file {path}; `tinyclap score ... --calibrate --json > {path}` makes it")
    stored = read_json(path, {})
    try:
        found = stored_calibration(stored["calibration"])
        identity, name = stored["by"]["identity"], stored["by"]["name"]
        settings = stored["settings"]["peak_dbfs"], stored["settings"]["clip"]
    except (KeyError, TypeError, TinyclapError) as error:
        raise TinyclapError(
            f"{path} holds no calibration; `tinyclap score ... --calibrate --json > {path}` makes one"
        ) from error
    if identity != encoder.identity:
        raise TinyclapError(
            f"{path} calibrates {name}, whose scores are others than those of {encoder.name} here; calibrate this one"
        )
    if settings != (peak_dbfs, clip):
        raise TinyclapError(
            f"{path} was made {_options(*settings)}, and the scores here {_options(peak_dbfs, clip)}; give the same "
            "options, or calibrate again"
        )
    return found


def _options(peak_dbfs: float | None, clip: bool) -> str:
    """The options of `tinyclap score` that change a score."""
    given = ([] if peak_dbfs is None else [f"--peak {peak_dbfs}"]) + (["--clip"] if clip else [])
    return f"with {' and '.join(given)}" if given else "without --peak and --clip"
