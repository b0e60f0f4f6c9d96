"""The examples of tinyclap/suites/README.md, run against the suites themselves."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torchaudio

from tinyclap.runtime.bundle import Bundle

PAGE = Path(__file__).parents[2] / "tinyclap" / "suites" / "README.md"


@pytest.mark.filterwarnings("ignore")  # those of other packages
@pytest.mark.usefixtures("mteb", "xares")
def test_the_python_of_the_page_runs(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mteb
    from datasets import Audio

    for name in ("decode_example", "encode_example"):
        monkeypatch.setattr(Audio, name, getattr(Audio, name))
    monkeypatch.setattr(torchaudio, "load", torchaudio.load)
    shutil.copytree(bundle.folder, tmp_path / "bundle")
    monkeypatch.chdir(tmp_path)
    asked: list[tuple[Any, Any]] = []
    whole = mteb.evaluate

    def offline(model: Any, tasks: Any, **options: Any) -> Any:
        asked.append((model, tasks))
        return None if len(asked) == 1 else whole(model, tasks, **options)

    monkeypatch.setattr(mteb, "evaluate", offline)  # what the page asks for would be downloaded
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    found: dict[str, Any] = {"__name__": "__example__"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), found)
    ((encoder, tasks),) = asked
    assert encoder.bundle.folder == Path("bundle")
    assert [task.metadata.name for task in tasks] == ["ESC50_Zeroshot"]
    assert found["embeddings"].shape == (2, 61, 16)
