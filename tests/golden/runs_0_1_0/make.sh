#!/usr/bin/env bash
# Makes the runs of this folder with version 0.1.0 (commit 36897e3), which later versions must open.
# In a checkout of that commit with its environment: bash make.sh FOLDER
set -euo pipefail
cd "$1"
tinyclap distill old.yaml --run finished
tinyclap prune finished --dim 16 --out pruned
tinyclap export pruned --onnx --labels "rain, siren, a dog barking"
tinyclap export finished --onnx
tinyclap bench finished --seconds 0 --float
tinyclap distill old.yaml --run interrupted & # to be interrupted after its first epoch
while [ ! -f interrupted/checkpoints/last.pt ]; do sleep 0.01; done
kill -INT $!
python - <<'EOF'
import numpy as np
import torch

from tinyclap import Bundle, Student

sound = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 40_000)).astype(np.float32)
students = {run: Student.from_pretrained(f"{run}/student").embed_audio(torch.from_numpy(sound)) for run in ("finished", "pruned")}
bundles = {f"{run}_bundle": Bundle.load(f"{run}/bundle").embed(list(sound), sample_rate=16_000) for run in ("finished", "pruned")}
np.savez("expected.npz", **{run: found.numpy() for run, found in students.items()}, **bundles)
EOF
