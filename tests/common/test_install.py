"""Install lines: no package index has tinyclap, so none asks one for it."""

import re
from pathlib import Path

import pytest

from tinyclap.common.install import extra_line, install_line

REPOSITORY = Path(__file__).parents[2]
ASKS_AN_INDEX = re.compile(r"""pip install (?:-\S+ )*["']?tinyclap(?!\[)\b""")  # an extra is added to what is installed


def test_a_line_names_a_file_or_says_what_to_name() -> None:
    assert install_line(wheel="tinyclap-1.whl") == 'pip install "./tinyclap-1.whl"'
    assert install_line("text", wheel="tinyclap-1.whl") == 'pip install "./tinyclap-1.whl[text]"'
    assert install_line("train", version="0.1.0") == (
        'pip install "path/to/tinyclap[train]"  # the folder or wheel of tinyclap 0.1.0; no package index has it'
    )
    assert (
        install_line() == 'pip install "path/to/tinyclap"  # the folder or wheel of tinyclap; no package index has it'
    )
    assert extra_line("mic") == 'pip install "tinyclap[mic]"'


@pytest.mark.parametrize("line", ["pip install tinyclap", 'pip install "tinyclap"', "pip install -U 'tinyclap==0.1.0'"])
def test_what_asks_an_index_is_recognised(line: str) -> None:
    assert ASKS_AN_INDEX.search(line)


def test_no_page_or_message_asks_an_index() -> None:
    pages = [
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "export").rglob("*.md"),
        *(REPOSITORY / "benchmarks").glob("*.md"),
    ]
    sources = [path for path in (REPOSITORY / "tinyclap").rglob("*") if path.suffix in (".py", ".md", ".j2", ".yaml")]
    assert len(pages) > 5
    assert len(sources) > 100
    found = [path for path in (*pages, *sources) if ASKS_AN_INDEX.search(path.read_text(encoding="utf-8"))]
    assert not found
