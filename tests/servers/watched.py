"""A web process that writes down whatever it asks of the network, from its first instruction on.

`watching` gives the environment that does it: Python imports `sitecustomize` from the folder before
anything else runs. What a C extension did by itself would not be seen; none of ours connects.
"""

from pathlib import Path
from typing import Final

_HOOK: Final = """
import os, sys

def _note(event, arguments, out=os.open({path!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        os.write(out, f"{{event}} {{arguments[1]!r}}\\n".encode())
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        os.write(out, f"{{event}} {{arguments[0]!r}}\\n".encode())
    elif event in ("socket.getnameinfo",):
        os.write(out, f"{{event}} {{arguments!r}}\\n".encode())

sys.addaudithook(_note)
"""


def watching(folder: Path) -> tuple[dict[str, str], Path]:
    """Return what to add to a process's environment, and the file that it then writes."""
    path = folder / "network.log"
    (folder / "sitecustomize.py").write_text(_HOOK.format(path=str(path)), encoding="utf-8")
    return {"PYTHONPATH": str(folder)}, path


def asked_outside(path: Path) -> list[str]:
    """Return what was asked of anything but this machine."""
    own = ("127.0.0.1", "::1", "localhost")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines, "nothing was seen at all, not even the database"
    return [line for line in lines if not any(f"'{name}'" in line for name in own)]
