"""`tinyclap latency`: graphs made once, timed and fitted, and a search within what they predict."""

import json
from pathlib import Path

import pytest

from tests.support.commands import failure, run
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.hardware import latency_model
from tinyclap.hardware.budget import Budget
from tinyclap.hardware.devices import load_device, load_latency
from tinyclap.hardware.latency_model import FEATURES, LatencyFit
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.student_config import StudentConfig
from tinyclap.pipelines.latency import make_students, time_students
from tinyclap.scaling.design_space import DesignSpace, enumerate_space
from tinyclap.scaling.has import propose

BASE = StudentConfig(FrontendSpec(8_000, 256, 256, 160, 24, f_max=4_000), window_s=1.0)
SPACE = DesignSpace(
    BASE,
    (BASE.frontend,),
    (64, 32),
    alphas=(0.1, 0.2, 0.3),
    betas=(1.0,),
    expansions=(2.0, 5.0),
    depths=(3, 5),
    features=(64, 128),
)


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("latency") / "students"
    make_students(folder, SPACE, 8)
    (folder / "003.onnx").unlink()  # as after a kill
    with pytest.raises(TinyclapError, match="lacks 1 of its 8 students; make them with `tinyclap latency --make"):
        time_students(folder)
    others = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.onnx")}
    make_students(folder, SPACE, 8)
    assert {name: (folder / name).stat().st_mtime_ns for name in others} == others
    with pytest.raises(TinyclapError, match="holds these students already; time them"):
        make_students(folder, SPACE, 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency_model, "FEWEST", 8)  # making more would take long
        time_students(folder, rounds=3)
    return folder


@pytest.mark.slow
def test_what_was_fitted_is_read_back_and_predicts(timed: Path) -> None:
    fitted = load_latency(timed / "latency.yaml")
    assert fitted.n_students == 8
    assert fitted.measured_on.endswith("1 thread")
    taken = [row["ms"] for row in json.loads((timed / "times.json").read_text())]
    assert min(taken) > 0
    small, large = (student_costs(config) for config in sorted_by_macs())
    assert 0 < fitted.predict(small) < fitted.predict(large) < 100 * max(taken)


def sorted_by_macs() -> list[StudentConfig]:
    found = enumerate_space(SPACE, Budget(macs=10**9))
    order = found.costs["macs"].argsort()
    return [found.config(int(order[0])), found.config(int(order[-1]))]


@pytest.mark.slow
def test_a_budget_of_time_is_kept(timed: Path) -> None:
    fitted = load_latency(timed / "latency.yaml")
    allowed = 0.5 * fitted.predict(student_costs(sorted_by_macs()[1]))
    budget = Budget(latency_ms=allowed, latency=fitted)
    found = enumerate_space(SPACE, budget)
    assert found.counted == len(SPACE)
    for row in range(len(found)):
        predicted = fitted.predict(student_costs(found.config(row)))
        assert predicted == pytest.approx(found.costs["latency_ms"][row])
        assert predicted <= allowed
    per_mac = LatencyFit({**dict.fromkeys(FEATURES, 0.0), "pointwise_macs": 1e-6}, 0.0, 8, "nowhere")
    proposed = propose(BASE, Budget(latency_ms=1.0, latency=per_mac))
    assert proposed is not None
    assert 0.95 < per_mac.predict(student_costs(proposed)) <= 1.0


@pytest.mark.slow
def test_a_device_file_may_carry_the_fit(timed: Path, tmp_path: Path) -> None:
    path = tmp_path / "board.yaml"
    memory = "{size: 1 MiB, source: its data sheet, reserved: 128 KiB}"
    text = f"title: a board\nprecision: int8\nflash: {memory}\nram: {memory}\nreserved_source: assumed\n"
    path.write_text(text + (timed / "latency.yaml").read_text())
    budget = Budget.of_device(load_device(str(path)), latency_ms=5.0)
    assert budget.latency == load_latency(timed / "latency.yaml")
    path.write_text(text)
    with pytest.raises(TinyclapError, match="latency can be limited once it was measured on the device"):
        Budget.of_device(load_device(str(path)), latency_ms=5.0)


@pytest.mark.slow
def test_the_command_times_a_folder(timed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "8 timed students are too few to fit; give 14 or more" in failure("latency", str(timed))[0]
    monkeypatch.setattr(latency_model, "FEWEST", 8)
    told = run("latency", str(timed))
    assert told.startswith("8 students timed on ")
    assert f"--latency {timed / 'latency.yaml'}" in told
    run("latency", str(timed), "--threads", "2")
    assert load_latency(timed / "latency_2_threads.yaml").measured_on.endswith("2 threads")
    assert "holds something else than these 48 students" in failure("latency", "--make", str(timed))[0]
    assert "holds no students to time; make some with `tinyclap latency --make" in failure("latency", str(tmp_path))[0]
    broken = tmp_path / "latency.yaml"
    broken.write_text("latency: {layers: -1}\n")
    with pytest.raises(TinyclapError, match=r"latency\.layers: got -1, allowed: .*>= 0"):
        load_latency(broken)


def test_more_students_than_there_are_end_in_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyclap.pipelines.latency.LARGEST_MACS", 1)
    with pytest.raises(TinyclapError, match=r"fewer than 8 students .* have at most 1 MACs; ask for 0 or fewer"):
        make_students(tmp_path / "students", SPACE, 8)
