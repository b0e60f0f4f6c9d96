"""Costs in closed form against the same network counted by running it."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.hardware import macs_ram_flash, traced_costs
from tinyclap.models.phinet_config import PhiNetConfig, Stride
from tinyclap.models.student import Student
from tinyclap.models.student_config import REFERENCE, StudentConfig


def drawn(seed: int) -> StudentConfig:
    """Any student, drawn by lot."""
    rng = random.Random(seed)
    compatibility, depth = rng.random() < 0.2, rng.randint(3, 9)
    rate = rng.choice([8_000, 16_000, 32_000])
    n_fft = 1024 if rate == 32_000 else 512
    hop, mels = rng.choice([160, 256, 320, 500]), rng.choice([32, 40, 64])
    stems: list[tuple[Stride, Stride]] = [(2, 2), (1, 2), (2, 1)]
    if not compatibility:
        stems += [(4, 2), (4, 4)]
    return StudentConfig(
        frontend=FrontendSpec(rate, n_fft, 512, hop, mels, f_max=rate / 2),
        phinet=PhiNetConfig(
            alpha=rng.uniform(0.15, 1.2),
            beta=rng.uniform(0.5, 1.5),
            t0=rng.uniform(2.0, 7.0),
            depth=depth,
            squeeze_excite=None if compatibility else rng.random() < 0.5,
            stem_stride=rng.choice(stems),
            time_strides=tuple(rng.sample(range(depth + 1), 3)),
            mel_strides=tuple(rng.sample(range(depth + 1), 3)),
            compatibility=compatibility,
        ),
        head=rng.choice(["linear", "projection"]),
        embed_dim=rng.choice([64, 333, 512]),
        features=rng.choice([0, 128, 512]),
        pooling=rng.choice(["mean", "mean_max", "mels"]),
        window_s=rng.uniform(1.0, 3.0),
    )


@pytest.mark.parametrize("seed", range(16))
def test_the_formulas_count_what_running_counts(seed: int) -> None:
    """benchmarks/device/costs.py does so with 200 students."""
    config = drawn(seed)
    student, told = Student(config).eval(), macs_ram_flash.student_costs(config)
    spec = config.frontend
    logmel = torch.zeros(1, 1, spec.n_frames(config.window_samples), spec.n_mels)
    assert told.parameters == traced_costs.n_parameters(student)
    assert told.macs == traced_costs.count_macs(student, student.encode, logmel)
    assert told.ram_bytes("float32") == max(
        4 * traced_costs.count_activations(student, student.encode, logmel), told.layers[0].ram_bytes("float32")
    )


def test_the_published_student() -> None:
    """facts.md: 4.43 M parameters, 357 MMAC; the peak lies at the first block's depthwise convolution."""
    told = macs_ram_flash.student_costs(REFERENCE)
    assert told.parameters == 4_434_547
    assert told.macs == pytest.approx(357e6, rel=0.01)
    peak = max(told.layers, key=lambda layer: layer.live)
    assert peak.name == "trunk.blocks.1.depthwise"
    assert peak.live == pytest.approx(2.87e6, rel=0.01)


def test_a_fused_block_stores_no_expanded_map_unless_gates_need_it() -> None:
    plain = StudentConfig(phinet=PhiNetConfig(squeeze_excite=False))
    gated = StudentConfig(phinet=PhiNetConfig(squeeze_excite=True))
    for config in (plain, gated):
        told = macs_ram_flash.student_costs(config)
        assert told.ram_bytes("int8", fused=True) < told.ram_bytes("int8")
    # Block 3 by hand: from 63 x 16 positions of 8 channels, expanded to 40, to 32 x 8 of 16.
    (expand,) = (layer for layer in macs_ram_flash.student_costs(plain).layers if layer.name == "trunk.blocks.3.expand")
    before, after = 63 * 16, 32 * 8
    assert expand.live == before * 8 + before * 40
    assert expand.fused == before * 8 + after * 16 + (before + after)


def test_flash_in_both_precisions_by_hand() -> None:
    (layer,) = macs_ram_flash.head_layers("linear", 100, 10, 10)
    assert layer.flash_bytes("float32") == 4 * (1000 + 10)
    assert layer.flash_bytes("int8") == 1000 + 4 * 10 + 4 * 10
    spec = FrontendSpec()
    frontend = macs_ram_flash.frontend_layer(spec, 251)
    tables = 512 + 512 + int(np.count_nonzero(spec.mel_filterbank()))
    assert frontend.flash_bytes("float32") == frontend.flash_bytes("int8") == 4 * tables


def test_a_mapped_projection_counts_its_map() -> None:
    config = replace(REFERENCE, head="mapped_projection", embed_dim=128)
    told = macs_ram_flash.student_costs(config, full_dim=1024)
    assert told.parameters == 4_434_547 + 1024 * 128
    with pytest.raises(TinyclapError, match="width before its map is not known"):
        macs_ram_flash.student_costs(config)


def test_longer_sound_costs_more_work_and_no_more_flash() -> None:
    config = StudentConfig()
    short, long = macs_ram_flash.student_costs(config, 1.0), macs_ram_flash.student_costs(config, 10.0)
    assert long.macs == pytest.approx(2 * macs_ram_flash.student_costs(config).macs, rel=0.03)
    assert short.macs < long.macs / 7
    assert long.flash_bytes("int8") == short.flash_bytes("int8")
    assert long.ram_bytes("int8") > 8 * short.ram_bytes("int8")
    with pytest.raises(TinyclapError, match=r"duration is 0.001 s; the front end needs at least 0\.016"):
        macs_ram_flash.student_costs(config, 0.001)


def test_arrays_of_sizes_give_arrays_of_costs() -> None:
    frames, mels = np.array([101, 251, 501]), np.array([32, 64, 40])
    layers, height, width = macs_ram_flash.trunk_layers(PhiNetConfig(), frames, mels)
    for number in range(3):
        ones, one_height, one_width = macs_ram_flash.trunk_layers(
            PhiNetConfig(), int(frames[number]), int(mels[number])
        )
        assert (height[number], width[number]) == (one_height, one_width)
        for layer, one in zip(layers, ones, strict=True):
            for field in ("macs", "live", "fused"):
                assert np.broadcast_to(getattr(layer, field), 3)[number] == getattr(one, field)
