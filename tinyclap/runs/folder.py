"""Run folders: one folder holds all that one command made, and says how."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tinyclap.common.cache_lock import LOCKS, cache_folder
from tinyclap.common.files import only_one, read_json, refuse_odd_name, whole_folder, write_text
from tinyclap.common.machine import shell_path
from tinyclap.errors import TinyclapError
from tinyclap.runs.provenance import write_provenance
from tinyclap.runs.results import read_result

RUNS = Path("runs")
BUNDLE_FOLDER = "bundle"  # in a run, where an export goes unless another place is named
NO_RUN = "is not a run folder (it holds no recipe.yaml and env.json)"


def open_run(
    folder: Path,
    recipe: str,
    *,
    seed: int,
    inputs: Mapping[str, str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Path:
    """Make a run folder with `recipe.yaml` and `env.json`, or take an interrupted one up again.

    Of several processes (`accelerate launch`) only the first does so; the others meet it when they join their group.

    Args:
        folder: of the run.
        recipe: resolved recipe as YAML.
        seed: recorded in `env.json`.
        inputs: fingerprints of what the run learns from, recorded in `env.json`.
        resume: go on in a folder that was made from the same recipe.
        overwrite: delete what is there.

    Raises:
        TinyclapError: the folder holds something and neither is asked for, or its recipe or its inputs are others.
    """
    if os.environ.get("RANK", "0") != "0":
        return folder
    if check_run(folder, recipe, resume=resume, overwrite=overwrite):
        check_inputs(folder, inputs or {})
        return folder
    with whole_folder(folder) as new:
        write_provenance(new, seed, inputs or {})
        write_text(new / "recipe.yaml", recipe)
    return folder


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """A run folder that no other process of this machine trains in meanwhile; a kill frees it.

    Raises:
        TinyclapError: another process is at work there.
    """
    if os.environ.get("RANK", "0") != "0":  # the first process of a group holds it for all
        yield
        return
    name = hashlib.blake2b(os.fsencode(folder.resolve()), digest_size=16).hexdigest()
    locks = cache_folder(LOCKS)
    locks.mkdir(parents=True, exist_ok=True)
    refusal = f"run folder {folder} is in use by another process; wait for it, or choose another one with --run DIR"
    with only_one(locks / name, refusal):
        yield


def check_run(folder: Path, recipe: str, *, resume: bool = False, overwrite: bool = False) -> bool:
    """Whether `open_run` would take an interrupted run up again; raises as it does, and touches nothing."""
    written = folder / "recipe.yaml"
    refuse_odd_name(folder)
    if resume and overwrite:
        raise TinyclapError("--resume goes on with a run and --overwrite replaces it; give one of them")
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise TinyclapError(f"run folder {folder} holds the current folder; choose another one with --run DIR")
    if folder.exists() and not folder.is_dir():
        raise TinyclapError(f"run folder {folder} is a file; choose another one with --run DIR")
    if resume and is_run(folder):
        if written.read_bytes() != recipe.encode("utf-8"):  # bytes, for a damaged file differs too
            raise TinyclapError(
                f"{written} differs from the recipe given now; resume with the same recipe and overrides, "
                "or start another run with --run DIR"
            )
        return True
    if folder.is_dir() and any(folder.iterdir()):
        if not is_run(folder):
            raise TinyclapError(
                f"run folder {folder} is not empty and {NO_RUN}, so it is left alone; choose another one with --run DIR"
            )
        if not overwrite:
            raise TinyclapError(
                f"run folder {folder} is not empty; continue it with --resume, replace it with --overwrite, "
                "or choose another one with --run DIR"
            )
    return False


def check_inputs(folder: Path, inputs: Mapping[str, str]) -> None:
    """Raise a TinyclapError if a run began with other inputs (fingerprints by name) than these."""
    recorded = read_result(folder, "env.json").get("inputs") or {}
    for name, fingerprint in inputs.items():
        if recorded.get(name, fingerprint) != fingerprint:
            raise TinyclapError(
                f"the {name} of run {folder} changed since it began (fingerprint {recorded[name]}, now {fingerprint}); "
                "bring them back, or start another run with --run DIR"
            )


def refuse_unfinished(folder: Path, task: str) -> None:
    """Raise a TinyclapError, with the command that goes on, for a run that was interrupted."""
    if not (folder / "summary.json").is_file():
        raise TinyclapError(
            f"{folder} is not finished; go on with `tinyclap {command_of(task)} {shell_path(folder / 'recipe.yaml')} "
            f"--run {shell_path(folder)} --resume`"
        )


def command_of(task: str) -> str:
    """The command that runs recipes of a task."""
    return task.replace("_", "-")


def refuse_derived(folder: Path) -> None:
    """Raise a TinyclapError for a run whose student no training made: resuming that would train over it."""
    summary = read_result(folder, "summary.json")
    made = "pruned" if summary.get("pruned") else "converted" if summary.get("converted_from") else None
    if made:
        command = read_result(folder, "env.json").get("command", f"tinyclap {made}")
        raise TinyclapError(f"{folder} holds a {made} student (`{command}`), not a training that could be resumed")


def find_run(folder: Path | None = None) -> Path:
    """The given run, or the newest one under `runs/`.

    Raises:
        TinyclapError: there is none.
    """
    if folder is not None:
        if not is_run(folder):
            listed = ", ".join(map(str, known_runs())) or "none"
            raise TinyclapError(f"{folder} {NO_RUN}; known runs: {listed}")
        return folder
    runs = newest_first()
    if not runs:
        raise TinyclapError(f"no run in {RUNS.absolute()}; make one with `tinyclap distill quickstart`")
    return runs[0]


def newest_first() -> list[Path]:
    """The runs under `runs/`, the one begun last first; TinyclapError where one does not say when it began."""
    return sorted(known_runs(), key=started, reverse=True)


def newest_student() -> Path | None:
    """The run under `runs/` that was begun last of those that make a student that hears; None without one."""
    others = ("distill_text", "pretrain")
    return next((run for run in newest_first() if task_of_run(run) not in others), None)


def task_of_run(run: Path) -> Any:
    """What a run was made for, as its recipe says."""
    return read_result(run, "recipe.yaml").get("task")


def known_runs() -> list[Path]:
    """The runs under `runs/`, by name."""
    return [path.parent for path in sorted(RUNS.glob("*/recipe.yaml")) if is_run(path.parent)]


def started(run: Path) -> datetime:
    """When a run began; TinyclapError where its env.json does not say."""
    return moment(read_json(run / "env.json", {}).get("started"), f"{run}/env.json", "run")


def moment(written: Any, file: str, kind: str) -> datetime:
    """A time that a file says something began; TinyclapError for what is none."""
    try:
        return datetime.fromisoformat(written).astimezone()
    except (TypeError, ValueError, OverflowError) as error:
        raise TinyclapError(f"{file} does not say when the {kind} started ({written!r}); name a {kind}") from error


def is_run(folder: Path) -> bool:
    """Both files, because only run folders are ever deleted and `recipe.yaml` alone is anybody's file name."""
    return (folder / "recipe.yaml").is_file() and (folder / "env.json").is_file()
