"""Devices: every shipped file is whole, and a user's own is refused with every fault in it."""

from pathlib import Path

import pytest

from tests.support.commands import failure, run
from tinyclap.errors import TinyclapError
from tinyclap.hardware.devices import known_devices, load_device

GIVEN = """
title: a board
precision: int8
flash: {size: 1 MiB, source: its data sheet, reserved: 128 KiB}
ram: {size: 256 KiB, source: its data sheet, reserved: 32 KiB}
reserved_source: assumed
"""


def test_the_devices_that_users_ask_for_are_there() -> None:
    wanted = {"stm32h743", "stm32f746", "esp32s3", "k210", "rp2350", "pi_zero_2w", "pi4", "pi5", "jetson_orin_nano"}
    assert wanted | {"phone", "desktop"} == set(known_devices())


@pytest.mark.parametrize("name", known_devices())
def test_every_figure_names_its_source(name: str) -> None:
    device = load_device(name)
    for memory in (device.flash, device.ram):
        assert 0 < memory.free < memory.size
        assert len(memory.source) > 10
    assert device.reserved_source.startswith("assumed: ")


def test_a_file_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "board.yaml"
    path.write_text(GIVEN)
    assert load_device(str(path)).ram.free == 224 * 1024


def test_all_faults_of_a_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "board.yaml"
    path.write_text("title: x\nprecision: int4\nflash: {size: 2 Megs, source: s, reserved: 0 B}\nclock: 3\n")
    with pytest.raises(TinyclapError) as caught:
        load_device(str(path))
    told = str(caught.value)
    assert told.startswith("5 device file errors\n")
    assert f'{path}:2: precision: got "int4", allowed: "float32" or "int8"' in told
    assert f'{path}:3: flash.size: got "2 Megs", allowed: a size such as 512 KiB or 2 MB' in told
    assert "ram: missing" in told
    assert "reserved_source: missing" in told
    assert f"{path}:4: clock: unknown key" in told


def test_more_reserved_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "board.yaml"
    path.write_text(GIVEN.replace("32 KiB", "300 KiB"))
    with pytest.raises(TinyclapError, match=r"yaml:5: ram.reserved: got 300 KiB, allowed: less than size = 256 KiB"):
        load_device(str(path))


def test_an_unknown_device_lists_the_known() -> None:
    with pytest.raises(TinyclapError, match=r"no device is called 'stm32'; known: desktop, esp32s3, .*; or give"):
        load_device("stm32")


def test_the_command_lists_them_and_tells_of_one() -> None:
    assert "stm32h743" in run("devices")
    told = run("devices", "stm32h743")
    assert "1.75 MiB free: 2 MiB less 256 KiB reserved" in told
    assert "ST DS12110" in told
    assert "no device is called" in failure("devices", "nothing")[0]


def test_what_was_emulated_is_told_with_how_it_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "board.yaml"
    rows = "student: small, arena: 120000, stack: 1400, code: 390000, instructions: 72000000, source: an emulator"
    path.write_text(f"{GIVEN}core: Cortex-M7\nemulated:\n- {{{rows}, precision: int8}}\n")
    told = run("devices", str(path))
    assert "small     int8       120,000 B  1,400 B  390,000 B  72.0 M" in told
    assert told.rstrip().endswith("an emulator")
    assert "emulated" not in run("devices", "pi5")
