"""What distilling LAION's larger CLAP on two million clips would take, by `tinyclap plan`; writes results/plan.json.

    python -m benchmarks.training.plan [--clips 2000000] [--seconds 10] [--gpus 8] [--kind h100] [--cores 96]

AudioSet's size, in the shape of LAION's larger CLAP (HTSAT base) with random weights, for its weights are not needed to
tell what it computes: once with recipe `esc50_clap` as it stands, once with its views and batches chosen for so many
clips, on a machine of so many cores. Decoding, views, spectrograms and batches are measured here on generated clips;
the accelerator is assumed to reach a share of its published peak.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinyclap.common.files import write_json
from tinyclap.config.load_recipe import load_recipe
from tinyclap.pipelines.scale.plan import Asked, plan_recipe
from tinyclap.runs.provenance import environment
from tinyclap.teachers.untrained import new_clap

RESULT = Path(__file__).parents[1] / "results" / "plan.json"
RECIPE = "esc50_clap"
FITTED = ("views.per_clip=2", "views.duration_s=10", "training.batch_size=512", "training.epochs=20")
SETTINGS = {"as it stands": (), "for many clips": FITTED}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2_000_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--kind", default="h100")
    parser.add_argument("--cores", type=int, default=96)
    parser.add_argument("--price", type=float, default=2.5)
    given = parser.parse_args()
    asked = Asked(given.clips, given.seconds, given.gpus, given.cores, given.kind, given.price)
    told = {**vars(given), "command": f"python -m benchmarks.training.plan {' '.join(_options(given))}"}
    with tempfile.TemporaryDirectory() as folder:
        larger(Path(folder))
        plans = {name: planned(Path(folder), settings, asked) for name, settings in SETTINGS.items()}
        slower = planned(Path(folder), FITTED, replace(asked, gpus=1, cores=given.cores // given.gpus))
    result = {**told, "environment": environment(seed=0), "recipe": RECIPE, "plans": plans, "one_gpu": slower}
    write_json(RESULT, result)
    sys.stdout.write(json.dumps(plans, indent=2) + "\n")


def larger(folder: Path) -> None:
    """The shape of laion/larger_clap_general's audio tower, HTSAT base; a text tower that no plan asks."""
    teacher = new_clap(
        ["a dog barks"],
        embed_dim=512,
        vocab_size=300,
        text_hidden_size=64,
        text_layers=1,
        text_heads=1,
        depths=(2, 2, 12, 2),
        heads=(4, 8, 16, 32),
        patch_embeds_hidden_size=128,
        logit_scale=14.0,
        name="larger",
    )
    teacher.eval().save_pretrained(folder, "---\nlicense: apache-2.0\n---\n# Random weights\n")


def planned(teacher: Path, settings: tuple[str, ...], asked: Asked) -> dict[str, Any]:
    """A plan, with the settings that it was made with."""
    recipe = load_recipe(RECIPE, [*settings, f"teacher.source={teacher}"], task="distill")
    return {"settings": list(settings), **plan_recipe(recipe, asked).as_dict()}


def _options(given: argparse.Namespace) -> list[str]:
    return [
        f"--{name} {value:g}" if isinstance(value, float) else f"--{name} {value}"
        for name, value in vars(given).items()
    ]


if __name__ == "__main__":
    main()
