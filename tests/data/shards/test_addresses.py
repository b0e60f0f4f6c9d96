"""Braces, as bash expands them."""

import shutil
import subprocess

import pytest

from tinyclap.data.shards.addresses import expand, set_name, short_names
from tinyclap.errors import TinyclapError

PATTERNS = [
    "data-{0000..0003}.tar",
    "data-{8..11}.tar",
    "data-{08..11}.tar",
    "{b,a}/{0..1}-{x,y}.tar",
    "{3..1}.tar",
    "a{b,c{0..2},}d",
    "plain.tar",
    "https://host/{train,test}/{00..01}.tar",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash, which it is compared with")
def test_the_same_as_bash(pattern: str) -> None:
    said = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {pattern}"], capture_output=True, text=True, check=True
    ).stdout
    assert expand([pattern]) == said.splitlines()


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["a{0..1.tar"], r"'a\{0\.\.1\.tar' has a brace without its other half"),
        (["a0..1}.tar"], "has a brace without its other half"),
        (["a{b}.tar"], r"\{b\} in 'a\{b\}\.tar' is no range and no list; write \{0000\.\.0999\} or \{a,b\}"),
        (["{0..9999999}.tar"], "means more than 1,000,000 shards"),
        (["{0..99999}{0..99999}"], "means more than 1,000,000 shards"),
        (["{0..3}.tar", "2.tar", "{a,a}.tar"], r"2 shards are named twice: 2\.tar, a\.tar; name each once"),
    ],
)
def test_what_is_wrong_with_a_pattern(patterns: list[str], message: str) -> None:
    with pytest.raises(TinyclapError, match=message):
        expand(patterns)


def test_names_tell_shards_apart_wherever_they_lie() -> None:
    assert short_names(["/data/a/0.tar", "/data/b/0.tar"]) == ["a/0.tar", "b/0.tar"]
    assert short_names(["/data/train/0.tar", "/data/trace/1.tar"]) == ["train/0.tar", "trace/1.tar"]
    assert short_names(["https://host/x/0.tar", "https://host/x/1.tar"]) == ["0.tar", "1.tar"]
    assert short_names(["/data/a/0.tar", "/data/1.tar"]) == ["a/0.tar", "1.tar"]
    assert short_names(["only.tar"]) == ["only.tar"]


def test_a_set_is_named_by_what_its_shards_share() -> None:
    assert set_name(["/x/clips-{0000..0999}.tar"]) == "clips"
    assert set_name(["/x/train/{0..9}.tar"]) == "train"
    assert set_name(["{0..9}.tar"]) == "shards"
