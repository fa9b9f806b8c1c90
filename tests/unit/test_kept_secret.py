"""The watch over what tests write can fail."""

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.kept_secret import MARKS, look_over
from tests.product import ROOT

WRITES = "import sys; sys.stderr.write(sys.argv[1])"
BODIES = {
    "prints": "print('key: ' + SECRET)",
    "logs": "logging.getLogger('x').warning('key: %s', SECRET)",
    "warns_in_a_process": f"subprocess.run([sys.executable, '-c', {WRITES!r}, SECRET])",
    "leaves_a_log": "(tmp_path / 'deep').mkdir(); (tmp_path / 'deep' / 'x.log').write_text(SECRET)",
    "keeps_it": "assert SECRET",
}


def test_a_test_that_writes_a_secret_fails() -> None:
    first, _, second = MARKS[0].partition("-")
    lines = ["import logging, subprocess, sys", f"SECRET = '{first}-' + '{second}'"]
    for name, body in BODIES.items():
        lines += [f"def test_{name}(tmp_path):", f"    {body}"]
    # Not in this test's own folder, which is looked through when it has ended.
    with TemporaryDirectory() as folder:
        script = Path(folder) / "test_x.py"
        script.write_text("\n".join([*lines, ""]))
        command = [sys.executable, "-m", "pytest", "-p", "tests.kept_secret", str(script), "-q"]
        command += [f"--rootdir={folder}", f"--basetemp={folder}/base", "-p", "no:cacheprovider"]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    failed = set(re.findall(r"^(?:FAILED|ERROR) \S+::test_(\w+)", ran.stdout, re.MULTILINE))
    assert failed == BODIES.keys() - {"keeps_it"}, ran.stdout + ran.stderr
    assert ran.stdout.count("a secret stands in") >= len(failed)


def test_what_a_process_wrote_is_looked_over() -> None:
    look_over("all is well\nkey: …\n", "it")
    with pytest.raises(AssertionError, match=r"what it wrote: key: sk-…$"):
        look_over(f"all is well\nkey: sk-{MARKS[0]}\n", "it")
    with pytest.raises(AssertionError):
        look_over("all is well\nkey: abc\n", "it", ["abc"])
