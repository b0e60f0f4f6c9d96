"""The two files of the generated code: one header, one C99 file."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.audio.level import SILENCE_BELOW_DBFS
from tinyclap.exporters.c import in_float
from tinyclap.exporters.c.arena import Plan, planned
from tinyclap.exporters.c.buffers import buffers, stem_right
from tinyclap.exporters.c.front_end import front_end_macros, front_end_tables
from tinyclap.exporters.c.layers import LINEAR, Network
from tinyclap.exporters.c.stream import StreamShape
from tinyclap.exporters.c.text import array, defines, real, strings
from tinyclap.exporters.folders import filled
from tinyclap.version import __version__

TEMPLATES = Path(__file__).parent / "templates"
POOLINGS = {"mean": 0, "mean_max": 1, "mels": 2}


@dataclass(frozen=True)
class Labels:
    """Words, their unit vectors float32 (L, D), and the factor between a cosine and a logit."""

    names: tuple[str, ...] = ()
    vectors: np.ndarray | None = None
    logit_scale: float = 1.0


NO_LABELS = Labels()


def template(name: str, values: dict[str, Any] | None = None) -> str:
    """A file of `templates` with @NAME@ replaced."""
    return filled(TEMPLATES / name, values)


def arena_plan(network: Network, stream: StreamShape, *, int8: bool) -> Plan:
    """Where the buffers lie."""
    return planned(buffers(network, stream, int8=int8))


def header(network: Network, stream: StreamShape, plan: Plan, labels: Labels, name: str, *, int8: bool) -> str:
    """tinyclap.h."""
    spec = network.spec
    values = {
        "VERSION": __version__,
        "NAME": name.replace("*/", "* /"),
        "PRECISION": "INT8" if int8 else "float32",
        "INT8": int(int8),
        "SAMPLE_RATE": spec.sample_rate,
        "WINDOW": network.window_samples,
        "HOP": stream.hop,
        "FRAMES": network.frames,
        "MELS": spec.n_mels,
        "EMBED_DIM": network.embed_dim,
        "N_LABELS": len(labels.names),
        "ARENA_BYTES": plan.size_bytes,
    }
    return template("tinyclap.h", values)


def source(network: Network, stream: StreamShape, plan: Plan, labels: Labels, constants: str, *, int8: bool) -> str:
    """tinyclap.c; `constants` are the layers, of `in_float` or `in_int8`."""
    kind = "int8" if int8 else "float"
    parts = [
        template("begin.c"),
        defines({"LINEAR": 0, "RELU": 1, "RELU6": 2, "HARD_SWISH": 3, "POOL_MEAN_MAX": 1, "POOL_MELS": 2}),
        defines(_macros(network, stream, plan, labels)),
        template("types_int8.c") if int8 else in_float.TYPES,
        front_end_tables(network.spec),
        constants,
        _layer_norm(network),
        _labels(labels, int8=int8),
        template("front_end.c"),
        template("common.c"),
        "static const image_t *image_row(int t);\nstatic float gain_db; /* by which a quiet window is raised */\n",
        template(f"network_{kind}.c"),
        template("sound.c"),
        template("labels.c"),
    ]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _macros(network: Network, stream: StreamShape, plan: Plan, labels: Labels) -> dict[str, Any]:
    spec, stem = network.spec, network.stem
    _, map_width, map_channels = network.map_size
    pool_height, pool_width, features = network.pool_size
    kernel = stem.conv.weights.shape[1:]
    shared = ("image", "edges", "recent", "levels", "spectrum", "patches", "stem_row", "last_row", "frame_mean")
    places = {f"AT_{name.upper()}": plan.places.get(name, 0) for name in (*shared, "features", "pooled", "head")}
    last_map = [name for name in plan.places if name.startswith("map")]
    return {
        **front_end_macros(spec),
        "FRAMES": network.frames,
        "EDGES": stream.edges,
        "STARTS": stream.starts,
        "CHUNKS": stream.chunks,
        "FIRST_AT_END": stream.first_at_end,
        **places,
        "AT_MAP": plan.places[max(last_map, key=lambda name: int(name[3:]))],
        "STEM_HEIGHT": kernel[0],
        "STEM_WIDTH": kernel[1],
        "STEM_STRIDE_Y": stem.stride[0],
        "STEM_STRIDE_X": stem.stride[1],
        "STEM_TOP": stem.top,
        "STEM_LEFT": stem.left,
        "STEM_RIGHT": stem_right(network),
        "N_BLOCKS": len(network.blocks),
        "MAP_WIDTH": map_width,
        "MAP_CHANNELS": map_channels,
        "HAS_LAST": int(network.last is not None),
        "LAST_STRIDE": network.last_stride,
        "POOL_HEIGHT": pool_height,
        "POOL_WIDTH": pool_width,
        "FEATURES": features,
        "POOLED": network.pooled,
        "POOLING": POOLINGS[network.pooling],
        "HEAD_LAYERS": len(network.head),
        "WIDE": network.head[0].out,
        "HEAD_ACTIVATION": LINEAR.upper(),
        "LOGIT_SCALE": real(labels.logit_scale),
    }


def _layer_norm(network: Network) -> str:
    if network.layer_norm is None:
        return ""
    weight, bias, eps = network.layer_norm
    tables = array("layer_norm_weight", weight) + array("layer_norm_bias", bias)
    return tables + f"#define LAYER_NORM_EPS {real(eps)}\n"


def _labels(labels: Labels, *, int8: bool) -> str:
    if not labels.names or labels.vectors is None:
        return ""
    vectors = labels.vectors.astype(np.float32)
    scales = np.ones(len(vectors), np.float32)
    if int8:
        scales = (np.abs(vectors).max(axis=1) / 127).astype(np.float32)
        vectors = np.round(vectors / scales[:, None]).astype(np.int8)
    return strings("label_names", labels.names) + array("label_vectors", vectors) + array("label_scales", scales)


def silence_rms() -> float:
    """Below which a window is silence, as in the runtime."""
    return math.pow(10.0, SILENCE_BELOW_DBFS / 20.0)
