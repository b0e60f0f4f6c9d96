"""The bundle that is meant: a folder, a run's, a ready-made one by its name, or that of the newest run that has one."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from tinyclap.common.machine import shell_path
from tinyclap.common.numbers import file_size
from tinyclap.errors import TinyclapError
from tinyclap.runs.folder import BUNDLE_FOLDER, RUNS, find_run, is_run, known_runs, newest_first
from tinyclap.runs.results import TEXT_STUDENT
from tinyclap.runtime import ready_made
from tinyclap.runtime.bundle_contents import MANIFEST, is_bundle


@dataclass(frozen=True)
class Found:
    """A bundle that nobody named.

    Attributes:
        bundle: its folder.
        run: that holds it; None for a ready-made one.
        without: the newest run, where it has none.
    """

    bundle: Path
    run: Path | None
    without: Path | None = None

    def __str__(self) -> str:
        """What to tell of it, in one line."""
        if self.without is None:
            return f"bundle: {self.bundle}"
        return f"bundle: {self.bundle} (the newest run, {self.without}, has none{_remedy(self.without)})"


def run_of(bundle: Path) -> Path | None:
    """The run that holds a bundle where `tinyclap export` puts it; None for one that lies elsewhere."""
    resolved = bundle.resolve()
    holds = resolved.name == BUNDLE_FOLDER and is_run(resolved.parent)
    return (bundle.parent if bundle.name == BUNDLE_FOLDER else resolved.parent) if holds else None


def named_bundle(name: Path) -> Path:
    """The bundle of this name: a folder, or in it as a run's, or a ready-made one.

    Raises:
        TinyclapError: none of these, a run without a bundle, or a ready-made one that has not been made yet.
    """
    if is_bundle(name):
        return name
    if is_run(name):
        if not is_bundle(name / BUNDLE_FOLDER):
            raise TinyclapError(f"run {name} has no bundle{_remedy(name)}")
        return name / BUNDLE_FOLDER
    if str(name) in ready_made.READY_MADE:
        there = ready_made.place(str(name))
        if not is_bundle(there):
            raise TinyclapError(f"there is no bundle {name} yet; `tinyclap get {name}` makes it")
        return there
    raise TinyclapError(_of_no_kind(name))


def newest_bundle() -> Found:
    """That of the newest run that has one; where no run has one, the ready-made one that is there.

    Raises:
        TinyclapError: there is none.
    """
    runs = newest_first()
    found = next((run for run in runs if is_bundle(run / BUNDLE_FOLDER)), None)
    if found is not None:
        return Found(found / BUNDLE_FOLDER, found, None if found == runs[0] else runs[0])
    there, newest = ready_made.existing(), runs[0] if runs else None
    if there is not None:
        return Found(there, None, newest)
    entry = ready_made.EVERYDAY
    missing = f"no run in {RUNS.absolute()} has one{_remedy(newest)}" if newest else "none is there"
    raise TinyclapError(
        f"no bundle is named and {missing}; `tinyclap get {entry.name}` fetches one ({file_size(entry.size)}, once)"
    )


def named_run(name: Path) -> Path:
    """The run of this name, or the one that holds the bundle of this name; raises as `find_run` does."""
    holder = run_of(name) if is_bundle(name) else None
    return holder or find_run(name)


def _remedy(run: Path) -> str:
    """The command that makes the bundle of a run whose training ended with a student, or one with its words."""
    if (run / "summary.json").is_file():
        if (run / "student").is_dir():
            return f"; `tinyclap export {shell_path(run)}` makes it"
        if (run / TEXT_STUDENT).is_dir():
            return f"; `tinyclap export RUN_OF_A_STUDENT --text --words {shell_path(run)}` puts its words into one"
    return ""


def _of_no_kind(name: Path) -> str:
    """What to say of something that is no bundle."""
    if name.is_dir():
        return f"{name} is neither a bundle (it holds no {MANIFEST}) nor a run (it holds no recipe.yaml and env.json)"
    what = f"{name} is a file; give the folder of a bundle" if name.exists() else f"there is no folder {name}"
    meant = [] if name.exists() else difflib.get_close_matches(str(name), ready_made.READY_MADE)
    hint = f"; did you mean the ready-made bundle {meant[0]}?" if meant else ""
    runs = ", ".join(str(run) for run in known_runs() if is_bundle(run / BUNDLE_FOLDER)) or "none"
    return f"{what}{hint or f'; runs with a bundle: {runs}'}"
