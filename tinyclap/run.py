"""Run folders: one folder holds all that one command made, and says how."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tinyclap.common.files import read_json, whole_folder, write_json, write_text
from tinyclap.common.machine import cpu
from tinyclap.errors import TinyclapError

RUNS = Path("runs")
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


def write_provenance(folder: Path, seed: int, inputs: Mapping[str, str]) -> None:
    """Write `env.json`: the environment, the command that runs now, and the fingerprints of what is learned from."""
    command = " ".join(["tinyclap", *sys.argv[1:]])
    write_json(folder / "env.json", environment(seed) | {"command": command, "inputs": dict(inputs)})


def check_run(folder: Path, recipe: str, *, resume: bool = False, overwrite: bool = False) -> bool:
    """Whether `open_run` would take an interrupted run up again; raises as it does, and touches nothing."""
    written = folder / "recipe.yaml"
    if resume and overwrite:
        raise TinyclapError("--resume goes on with a run and --overwrite replaces it; give one of them")
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise TinyclapError(f"run folder {folder} holds the current folder; choose another one with --run DIR")
    if folder.exists() and not folder.is_dir():
        raise TinyclapError(f"run folder {folder} is a file; choose another one with --run DIR")
    if resume and _is_run(folder):
        if written.read_bytes() != recipe.encode("utf-8"):  # bytes, for a damaged file differs too
            raise TinyclapError(
                f"{written} differs from the recipe given now; resume with the same recipe and overrides, "
                "or start another run with --run DIR"
            )
        return True
    if folder.is_dir() and any(folder.iterdir()):
        if not _is_run(folder):
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
    recorded = read_json(folder / "env.json", {}).get("inputs") or {}
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
            f"{folder} is not finished; go on with `tinyclap {task} {folder}/recipe.yaml --run {folder} --resume`"
        )


def find_run(folder: Path | None = None) -> Path:
    """The given run, or the newest one under `runs/`.

    Raises:
        TinyclapError: there is none.
    """
    known = [path.parent for path in sorted(RUNS.glob("*/recipe.yaml")) if _is_run(path.parent)]
    if folder is not None:
        if not _is_run(folder):
            listed = ", ".join(map(str, known)) or "none"
            raise TinyclapError(f"{folder} {NO_RUN}; known runs: {listed}")
        return folder
    if not known:
        raise TinyclapError(f"no run in {RUNS.absolute()}; make one with `tinyclap distill quickstart`")
    return max(known, key=_started)


def _started(run: Path) -> datetime:
    started = read_json(run / "env.json", {}).get("started")
    try:
        return datetime.fromisoformat(started)
    except (TypeError, ValueError) as error:
        raise TinyclapError(f"{run}/env.json does not say when the run started ({started!r}); name a run") from error


def _is_run(folder: Path) -> bool:
    """Both files, because only run folders are ever deleted and `recipe.yaml` alone is anybody's file name."""
    return (folder / "recipe.yaml").is_file() and (folder / "env.json").is_file()


def environment(seed: int) -> dict[str, Any]:
    """Versions, machine, commit and seed: what a result depends on besides the recipe."""
    import torch

    packages = ("tinyclap", "torch", "transformers", "accelerate", "numpy", "soxr", "soundfile")
    return {
        "started": datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "seed": seed,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in packages},
        "platform": platform.platform(),
        "cpu": cpu(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of the source checkout, if tinyclap is run from one; "-dirty" where code or recipes differ from it."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():  # an installed package may lie in somebody else's checkout
        return None
    try:
        commit = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", "tinyclap", "recipes")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
