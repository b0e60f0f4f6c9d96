"""Why a CLAP from scratch sits at ln(batch), and what leads away from it; writes results/plateau.json and plateau.png.

    python -m benchmarks.training.plateau --root ESC-50 [--seeds 0 1 2] [--epochs 36] [--work runs/plateau]

The first founding document (YuvrajSingh-mist/Paper-Replications, CLAP) reports a loss that stays at 2.079 = ln 8. Its
notebook multiplies the cosines by a constant 0.07 where CLAP divides by a learned one, takes the audio tower's output
without its gradient, trains all at one rate (4e-4) in batches of 8, and has neither warm-up nor clipping. Here the same
small networks (CNN14 at a sixteenth of its width, a BERT of two layers, the document's front end and heads) learn
ESC-50's class names so; as `tinyclap pretrain` does in recipe demo_teacher, whose captions part before the sounds join
them; and with one of these switches at a time turned, from either side. All go through `training.pretrain`. Finished
runs are kept in --work, so the script can be stopped.
"""

import argparse
import json
import math
import sys
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.figures.plateau import draw
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.files import write_json
from tinyclap.data.captions import Captions
from tinyclap.data.decoded import decode
from tinyclap.data.published.esc50 import esc50
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.runs.provenance import environment
from tinyclap.teachers import untrained
from tinyclap.teachers.dual.pair import DualTeacher
from tinyclap.teachers.dual.towers import Cnn14Tower, Head
from tinyclap.training.losses import lowest_info_nce
from tinyclap.training.options import PretrainOptions
from tinyclap.training.pretrain import pretrain

RESULTS = Path(__file__).parents[1] / "results"
SPEC = FrontendSpec(44_100, 1024, 1024, 320, 64, f_min=50.0, f_max=8_000.0)
WINDOW_S = 1.814  # 250 frames, half the document's
EMBED_DIM, CNN14_WIDTH = 128, 1 / 16
TEXT_EPOCHS = 16  # as recipe demo_teacher
TEMPLATES = ("This is a sound of {}.",)
TEXT: dict[str, Any] = {"vocab_size": 600, "hidden_size": 96, "layers": 2, "heads": 4}
RATES: dict[str, dict[str, float | None]] = {
    "one": {"lr": 4e-4, "text_lr": 4e-4, "head_lr": 4e-4},
    "the document's three": {"lr": 1e-4, "text_lr": 1e-5, "head_lr": 1e-3},
    "pretrain's": {"lr": 1e-3, "text_lr": 5e-4, "head_lr": None},
}


@dataclass(frozen=True)
class Setting:
    """What may be wrong with a contrastive training.

    Attributes:
        scale: between cosine and logit, at the beginning.
        learned: whether it is trained.
        audio_gradient: whether the audio tower is.
        normalised: whether embeddings have unit norm.
        rates: a key of `RATES`.
        batch_size: pairs.
        same_names_match: whether clips of one class are no negatives of each other.
        gentle: warm-up, a falling rate, clipped gradients and decay.
        text_first: whether the captions part before the sounds join, and stay so (`text_epochs`, `lock_text`).
    """

    scale: float = 1 / 0.07
    learned: bool = True
    audio_gradient: bool = True
    normalised: bool = True
    rates: str = "pretrain's"
    batch_size: int = 32
    same_names_match: bool = True
    gentle: bool = True
    text_first: bool = True


OURS = Setting()
NOTEBOOK = Setting(
    0.07,
    learned=False,
    audio_gradient=False,
    rates="one",
    batch_size=8,
    same_names_match=False,
    gentle=False,
    text_first=False,
)
SWITCHES: dict[str, dict[str, Any]] = {
    "scale": {"scale": None},
    "scale learned": {"learned": None},
    "scale, and learned": {"scale": None, "learned": None},
    "audio gradient": {"audio_gradient": None},
    "scale, learned, and audio gradient": {"scale": None, "learned": None, "audio_gradient": None},
    "rates": {"rates": None},
    "batch of 32 or 8": {"batch_size": None},
    "same names": {"same_names_match": None},
    "warm-up and clipping": {"gentle": None},
    "text first": {"text_first": None},
    "scale, learned, and text first": {"scale": None, "learned": None, "text_first": None},
}


def arms() -> dict[str, Setting]:
    """Both settings; each with one switch as the other has it; and what neither has."""
    found = {"notebook": NOTEBOOK, "ours": OURS}
    for begin, other in (("notebook", OURS), ("ours", NOTEBOOK)):
        for name, fields in SWITCHES.items():
            found[f"{begin}: the other's {name}"] = replace(
                found[begin], **{key: getattr(other, key) for key in fields}
            )
        found[f"{begin}: not normalised"] = replace(found[begin], normalised=False)
    return found | {"ours: the document's rates": replace(OURS, rates="the document's three")}


class Switched(DualTeacher):
    """A dual teacher whose switches are a setting's."""

    def __init__(self, audio: Cnn14Tower, text: Any, setting: Setting) -> None:
        super().__init__(audio, text, window_s=WINDOW_S, prompts=TEMPLATES, logit_scale=setting.scale, name="plateau")
        self.setting = setting
        self.log_logit_scale.requires_grad_(setting.learned)

    def encode_logmel(self, logmel: Tensor) -> Tensor:
        assert isinstance(self.audio, Cnn14Tower)
        features = self.audio.base(logmel)
        return self._placed(self.audio.projection(features if self.setting.audio_gradient else features.detach()))

    def encode_text(self, texts: list[str]) -> Tensor:
        tokens = self.text.tokenizer(texts, padding=True, return_tensors="pt")
        return self._placed(self.text.projection(self.text.pool(**tokens)))

    def _placed(self, embeddings: Tensor) -> Tensor:
        return F.normalize(embeddings, dim=-1) if self.setting.normalised else embeddings


class Apart(Captions):
    """Captions of which each is a negative of all others, equal ones too."""

    def alike(self, batch: np.ndarray) -> np.ndarray:
        return np.eye(len(batch), dtype=bool)


def new_teacher(setting: Setting, captions: Captions, seed: int) -> Switched:
    """The networks of a seed; settings change nothing of their weights."""
    torch.manual_seed(seed)
    head = Head("projection")
    texts = sorted({text for choices in captions.choices for text in choices})
    text = untrained.new_text(texts, EMBED_DIM, **TEXT, head=head)
    return Switched(Cnn14Tower(SPEC, CNN14_WIDTH, EMBED_DIM, head), text, setting)


def options(setting: Setting, epochs: int) -> PretrainOptions:
    """How `pretrain` is to train so."""
    first = {"text_epochs": TEXT_EPOCHS, "lock_text": True}
    wild: dict[str, Any] = {"optimizer": "adam", "schedule": "constant"}
    wild |= {"warmup_share": 0.0, "weight_decay": 0.0, "clip_norm": 0.0}
    values: dict[str, Any] = {
        **RATES[setting.rates],
        **({} if setting.gentle else wild),
        **(first if setting.text_first else {}),
    }
    return PretrainOptions(epochs=epochs, batch_size=setting.batch_size, checkpoint_every=epochs, **values)


def curve(setting: Setting, views: Views, captions: Captions, epochs: int, seed: int, run: Path) -> None:
    """Train one arm in `run`, unless it is finished there."""
    if finished(run, epochs):
        return
    run.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it is stuck is what is measured
        pretrain(new_teacher(setting, captions, seed), views, captions, options(setting, epochs), run, seed=seed)


def finished(run: Path, epochs: int) -> list[dict[str, Any]]:
    """The metrics of every epoch of a finished run; none of another."""
    metrics = run / "metrics.jsonl"
    rows = [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.is_file() else []
    kept = ("epoch", "loss", "loss_floor", "logit_sd", "logit_scale", "audio_cosine", "text_cosine")
    return [{key: row[key] for key in kept} for row in rows] if len(rows) == epochs else []


def summary(setting: Setting, curves: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """An arm's entry: its setting, what it can reach at best, where each seed ended as a share of ln(batch)."""
    chance = math.log(setting.batch_size)
    ends = [rows[-1]["loss"] / chance for rows in curves.values()]
    return {
        "setting": asdict(setting),
        "chance": chance,
        "lowest_with_first_scale": lowest_info_nce(setting.scale, setting.batch_size) if setting.normalised else None,
        "share_of_chance": float(np.mean(ends)),
        "share_of_chance_sd": float(np.std(ends, ddof=1)) if len(ends) > 1 else None,
        "curves": curves,
    }


def main() -> None:
    arguments = parse()
    dataset = esc50(arguments.root).select(folds=arguments.folds)
    views = Views(decode(dataset, SPEC.sample_rate), ViewSpec(per_clip=1, duration_s=WINDOW_S, mix=0.0))
    clips = [dataset.clips[window.clip] for window in views.decoded.windows]
    captions = {True: Captions(clips, TEMPLATES), False: Apart(clips, TEMPLATES)}
    for name in [] if arguments.collect else arguments.arms or arms():
        setting = arms()[name]
        for seed, run in runs(arguments, name).items():
            curve(setting, views, captions[setting.same_names_match], arguments.epochs, seed, run)
        sys.stdout.write(f"{name} is trained\n")
        sys.stdout.flush()
    if arguments.collect or not arguments.arms:
        write(arguments, len(views))


def runs(arguments: argparse.Namespace, name: str) -> dict[int, Path]:
    """The folder of an arm's run by its seed."""
    place = name.replace(": ", "-").replace(", ", "-").replace(" ", "_")
    seeds = arguments.seeds if name in ("notebook", "ours") else arguments.seeds[:1]
    return {seed: arguments.work / f"{place}-{seed}" for seed in seeds}


def write(arguments: argparse.Namespace, n_clips: int) -> None:
    """The results of all arms that are finished, and their picture."""
    found = {}
    for name, setting in arms().items():
        curves = {str(seed): finished(run, arguments.epochs) for seed, run in runs(arguments, name).items()}
        curves = {seed: rows for seed, rows in curves.items() if rows}
        if curves:
            found[name] = summary(setting, curves)
            sys.stdout.write(f"{name}: {found[name]['share_of_chance']:.3f} of ln(batch)\n")
    measured = {
        "command": f"python -m benchmarks.training.plateau --root ESC-50 --epochs {arguments.epochs}",
        "complete": all(finished(run, arguments.epochs) for name in arms() for run in runs(arguments, name).values()),
        "folds": arguments.folds,
        "clips": n_clips,
        "epochs": arguments.epochs,
        "arms": found,
    }
    write_json(RESULTS / "plateau.json", measured | environment(arguments.seeds[0]))
    draw(measured, RESULTS / "plateau.png")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder in ESC-50's layout")
    parser.add_argument("--folds", type=int, nargs="+", default=[1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of both settings; others: the first")
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--work", type=Path, default=Path("runs/plateau"))
    parser.add_argument("--arms", nargs="+", choices=list(arms()), help="train these alone, and write no results")
    parser.add_argument("--collect", action="store_true", help="train nothing; write what is finished")
    return parser.parse_args()


if __name__ == "__main__":
    main()
