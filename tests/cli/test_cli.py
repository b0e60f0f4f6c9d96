"""The command line's own duties: results on stdout, one message for each failure, exit codes, quick start."""

import errno
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

import tinyclap
from tinyclap.cli import app as cli
from tinyclap.cli.groups import SECTIONS
from tinyclap.errors import GateError, TinyclapError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `tinyclap ...` in this process: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tinyclap", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        code = end.value.code
        assert isinstance(code, int)
        return code, out, err

    return run


@pytest.fixture
def run_failing(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], tuple[int, str, str]]:
    """Runs a command whose library function raises the given error."""

    def run_failing(error: BaseException) -> tuple[int, str, str]:
        app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

        @app.command()
        def fail() -> None:
            raise error

        monkeypatch.setattr(cli, "app", app)
        return run()

    return run_failing


def fresh_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])


def test_help_and_version_are_results(run: Run) -> None:
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    assert "recipes" in out
    assert run("--version") == (0, f"tinyclap {tinyclap.__version__}\n", "")


def test_help_shows_each_command_once_with_its_whole_sentence(run: Run) -> None:
    _, out, _ = run("--help")
    listed = re.findall(r"^  ([a-z][a-z-]*) ", out, re.MULTILINE)
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    assert sorted(listed) == sorted(commands)
    told = " ".join(out.split())
    for name, command in commands.items():
        sentence = " ".join(command.help.split("\n\n")[0].split())
        assert sentence.endswith(".")
        assert len(sentence) <= 100
        assert f"{name} {sentence}" in told


def test_help_groups_commands_by_what_one_wants_to_do(run: Run) -> None:
    _, out, _ = run("--help")
    assert re.findall(r"^(\w+):$", out, re.MULTILINE) == ["Options", *SECTIONS]
    listed = out[out.index("Shrink:") : out.index("Ship:")].split()
    assert {"prune", "search"} <= set(listed)
    _, out, _ = run("recipes", "--help")
    assert re.findall(r"^(\w+):$", out, re.MULTILINE) == ["Options", "Commands"]


def test_a_wrong_command_or_option_is_wrong_usage(run: Run) -> None:
    code, out, err = run("recipes", "lss")
    assert (code, out) == (2, "")
    assert "lss" in err
    code, out, err = run("recipes", "ls", "--fast")
    assert (code, out) == (2, "")
    assert "--fast" in err


def test_recipes_ls_gives_each_name_and_purpose(run: Run) -> None:
    code, out, _ = run("recipes", "ls")
    rows = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert code == 0
    assert "demo teacher" in rows["quickstart"]
    assert "tinyclap distill" not in out


def test_recipes_cp_prints_the_copy_and_refuses_to_overwrite(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("recipes", "cp", "esc50") == (0, "esc50.yaml\n", "")
    code, out, err = run("recipes", "cp", "esc50")
    assert (code, out) == (2, "")
    assert err == "error: esc50.yaml exists already and is left as it is; give another name\n"


def test_recipes_check_reports_every_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("recipes", "check", "quickstart", "esc50", "training.epochs=3") == (
        0,
        "quickstart: OK (distill)\nesc50: OK (distill)\n",
        "",
    )
    assert run("recipes", "check", "esc10") == (
        0,
        "esc10: OK (distill)\n",
        "esc10: not there yet: data.train.root: data/ESC-50\nesc10: not there yet: data.test.root: data/ESC-50\n"
        "esc10: not there yet: teacher.source: runs/esc10_teacher/teacher\n",
    )
    Path("a=b.yaml").write_text("task: x\n")
    code, out, err = run("recipes", "check", "a=b.yaml", "quickstart", "nowhere.yaml")
    assert (code, out) == (2, "quickstart: OK (distill)\n")
    assert err.startswith(
        'error: 2 recipe errors\na=b.yaml:1: task: got "x", allowed: "distill", "distill_text" or "pretrain"\nnowhere'
    )
    code, _, err = run("recipes", "check", "quickstart", "training.epochs=" + "9" * 500)
    assert code == 2
    assert "training.epochs: got" in err
    code, _, err = run("recipes", "check", "seed=1")
    assert code == 2
    assert "at least one recipe" in err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (TinyclapError("no data at data/x; unpack it there"), 2, "no data at data/x; unpack it there"),
        (GateError("parity 1e-2 > 1e-4"), 1, "parity 1e-2 > 1e-4"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            2,
            'the package torch is not installed; run: pip install "tinyclap[train]"',
        ),
        (
            ModuleNotFoundError("No module named 'matplotlib.pyplot'", name="matplotlib.pyplot"),
            2,
            'the package matplotlib is not installed; run: pip install "tinyclap[train]"',
        ),
        (
            ModuleNotFoundError("No module named 'tokenizers'", name="tokenizers"),
            2,
            'the package tokenizers is not installed; run: pip install "tinyclap[text]"',
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/x/metrics.jsonl"),
            1,
            "disk full while writing runs/x/metrics.jsonl; free some space and run the command again",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "disk full where the output goes, or the cache"),
        (OSError(errno.EFBIG, "File too large"), 1, "file size limit reached where the output goes, or the cache"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/runs"),
            2,
            "/runs: Permission denied; check its permissions or choose another folder",
        ),
        (
            FileExistsError(errno.EEXIST, "File exists", "afile"),
            2,
            "afile: File exists; check the path, and the cache",
        ),
        (MemoryError(), 1, "out of memory (RAM); lower training.batch_size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), 1, "out of memory (DefaultCPUAllocator"),
    ],
)
def test_a_failure_is_one_message_with_its_exit_code(
    run_failing: Callable[[BaseException], tuple[int, str, str]], error: BaseException, code: int, message: str
) -> None:
    given_code, out, err = run_failing(error)
    assert (given_code, out) == (code, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


def test_torch_out_of_memory_is_recognised(run_failing: Callable[[BaseException], tuple[int, str, str]]) -> None:
    torch = pytest.importorskip("torch")
    code, _, err = run_failing(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB\nmore"))
    assert code == 1
    assert err.startswith(
        "error: out of memory (CUDA out of memory. Tried to allocate 9 GiB); lower training.batch_size"
    )


def test_a_full_disk_under_a_model_file_is_recognised(
    run_failing: Callable[[BaseException], tuple[int, str, str]],
) -> None:
    safetensors = pytest.importorskip("safetensors")
    full = "Error while serializing: I/O error: No space left on device (os error 28)"
    code, _, err = run_failing(safetensors.SafetensorError(full))
    assert (code, err) == (1, f"error: disk full ({full}); free some space and run the command again\n")


@pytest.mark.parametrize(
    "fault",
    [RuntimeError("shapes differ"), ModuleNotFoundError("x", name="tinyclap.x"), KeyError(1), OSError(5, "I/O")],
)
def test_a_fault_of_the_program_keeps_its_traceback(
    run_failing: Callable[[BaseException], tuple[int, str, str]], fault: Exception
) -> None:
    with pytest.raises(type(fault)):
        run_failing(fault)


def test_import_and_help_load_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'numpy', 'pydantic', 'yaml', 'rich', 'onnxruntime', 'matplotlib'}"
    for start in (
        "import tinyclap, tinyclap.cli.app",
        "import sys, tinyclap.cli.app; sys.argv = ['tinyclap', '--help']",
    ):
        done = fresh_python(
            f"{start}\nimport contextlib, sys\nwith contextlib.suppress(SystemExit):\n"
            f"    len(sys.argv) > 1 and tinyclap.cli.app.main()\nsys.exit(repr(sorted({heavy} & set(sys.modules))))"
        )
        assert done.stderr == "[]\n"


def test_recipes_are_checked_without_torch() -> None:
    done = fresh_python("import sys, tinyclap; tinyclap.load_recipe('quickstart'); sys.exit('torch' in sys.modules)")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_public_name_can_be_had() -> None:
    pytest.importorskip("torch")
    assert {name for name in tinyclap.__all__ if getattr(tinyclap, name, None) is None} == set()
    assert set(tinyclap._LAZY) <= set(tinyclap.__all__) <= set(dir(tinyclap))
    with pytest.raises(AttributeError, match="module 'tinyclap' has no attribute 'distil'"):
        _ = tinyclap.distil


def test_the_module_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "tinyclap", "--version"], capture_output=True, text=True)
    assert done.stdout == f"tinyclap {tinyclap.__version__}\n"
