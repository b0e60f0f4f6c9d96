"""The plan of the arena: no two buffers that live together share bytes, and it is small."""

import dataclasses
import itertools

import numpy as np
import pytest

from tests.support.tiny_exports import SPEC, TINY
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.exporters.c.arena import Buffer, planned
from tinyclap.exporters.c.buffers import buffers
from tinyclap.exporters.c.front_end import factors, mel_rows
from tinyclap.exporters.c.layers import network_of
from tinyclap.exporters.c.source import arena_plan
from tinyclap.exporters.c.stream import stream_shape
from tinyclap.exporters.c.text import quoted
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig

SHAPES = [
    StudentConfig(),
    StudentConfig(phinet=PhiNetConfig(time_strides=(0, 3, 5, 7), mel_strides=(0, 3, 5, 7))),
    StudentConfig(phinet=PhiNetConfig(alpha=0.5, squeeze_excite=False, activation="relu6")),
    StudentConfig(phinet=PhiNetConfig(alpha=0.25, t0=3, depth=5, stem_stride=(4, 2))),
    StudentConfig(phinet=PhiNetConfig(compatibility=True), head="projection", features=64),
]


def test_buffers_that_live_together_do_not_overlap() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        ends = np.sort(rng.integers(0, 8, (12, 2)), axis=1)
        asked = [Buffer(str(n), int(rng.integers(1, 500)), int(a), int(b)) for n, (a, b) in enumerate(ends)]
        plan = planned(asked)
        assert plan.size_bytes <= sum(-(-one.size_bytes // 16) * 16 for one in asked)
        for one, two in itertools.combinations(asked, 2):
            if one.first <= two.last and two.first <= one.last:
                a, b = plan.places[one.name], plan.places[two.name]
                assert a + one.size_bytes <= b or b + two.size_bytes <= a
        assert all(place % 16 == 0 for place in plan.places.values())


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("config", SHAPES)
def test_the_arena_stays_below_what_costs_counts(config: StudentConfig, int8: bool) -> None:
    network = network_of(Student(config))
    stream = stream_shape(network.spec, network.window_samples)
    plan = arena_plan(network, stream, int8=int8)
    counted = student_costs(config).ram_bytes("int8" if int8 else "float32")
    # A stem of stride 4 leaves maps so small that the stream's past, which the model does not count, weighs more.
    past = 2 * network.frames * network.spec.n_mels if config.phinet.stem_stride[0] == 4 else 0
    assert plan.size_bytes <= 1.1 * counted + past
    assert set(plan.places) == {buffer.name for buffer in buffers(network, stream, int8=int8)}


def test_a_transform_is_made_of_small_factors() -> None:
    assert np.prod(factors(1024)) == 512
    assert sorted(factors(960)) == [2, 3, 4, 4, 5]
    with pytest.raises(TinyclapError, match="n_fft = 882 has a prime factor of 49"):
        factors(882)


def test_sparse_filters_are_the_filterbank() -> None:
    first, count, weights = mel_rows(SPEC)
    bank, at = np.zeros((SPEC.n_fft // 2 + 1, SPEC.n_mels), np.float32), 0
    for band, (begin, size) in enumerate(zip(first, count, strict=True)):
        bank[begin : begin + size, band] = weights[at : at + size]
        at += size
    np.testing.assert_array_equal(bank, SPEC.mel_filterbank())


def test_a_hop_is_whole_frames_within_a_window() -> None:
    spec = FrontendSpec()
    assert stream_shape(spec, 80_000).hop == 16_000
    assert stream_shape(spec, 80_000, 0.031).hop == 640
    for hop_s in (0.0, 5.1):
        with pytest.raises(TinyclapError, match=r"--hop .*allowed: 0.02 to 5 seconds"):
            stream_shape(spec, 80_000, hop_s)
    with pytest.raises(TinyclapError, match="too short for a stream"):
        stream_shape(spec, 1000)


def test_another_front_end_is_named() -> None:
    from tinyclap.audio.log_mel.emphasised import EmphasisedSpec

    student = Student(TINY)
    student.config = dataclasses.replace(TINY, frontend=EmphasisedSpec())
    with pytest.raises(TinyclapError, match="EmphasisedSpec is not written in C"):
        network_of(student)


def test_labels_in_any_language_are_c() -> None:
    assert quoted('a "b"\n') == '"a \\"b\\"\\n"'
    assert quoted("ö??/") == '"\\303\\266\\?\\?/"'
