"""The page's own modules run in Node.js, to compare them with Python."""

import json
import subprocess
from typing import Any

import pytest

from tinyclap.exporters.web.checked import OLDEST, node
from tinyclap.exporters.web.vendored import TEMPLATES


def node_or_skip() -> str:
    """Node.js of this machine; skips the test where there is none."""
    program = node()
    if program is None:
        pytest.skip(f"no Node.js of version {OLDEST} or later found: install nodejs to run what a page computes")
    return program


def run_js(code: str, given: Any = None) -> Any:
    """What a module makes of `given`: it imports from `lib`, and ends with `return VALUE`; both values are JSON.

    Floats beyond all bounds are not JSON; the module says otherwise what it means.
    """
    program = node_or_skip()
    script = f"""
        const lib = (name) => import({TEMPLATES.as_uri()!r} + "/" + name);
        let text = "";
        for await (const piece of process.stdin) text += piece;
        const work = async (given) => {{ {code} }};
        process.stdout.write(JSON.stringify(await work(JSON.parse(text))));
    """
    done = subprocess.run(
        [program, "--input-type=module", "--eval", script], input=json.dumps(given), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
