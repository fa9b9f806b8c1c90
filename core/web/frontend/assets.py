"""The front end's modules, style sheets and texts, at addresses that name their content.

All of them are below one folder named by the hash of everything in it: modules import each other by
relative paths, and browsers keep each file for good.
"""

import json
import posixpath
import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core import i18n
from core.i18n import gettext as _
from core.web.http.errors import NotFound

PREFIX: Final = "/assets/"
_FOLDER: Final = Path(__file__).parent
_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
_FOR_GOOD: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_IMPORTED: Final = re.compile(r'^(?:import|\} from)\b.*?"(\.[^"]+)";$', re.MULTILINE)
_STYLE: Final = re.compile(r'"([a-z_]+/[a-z_]+\.css)"')


def _all() -> dict[str, bytes]:
    found = {
        path.relative_to(_FOLDER).as_posix(): path.read_bytes()
        for path in sorted(_FOLDER.rglob("*"))
        if path.suffix in (".js", ".css")
    }
    return found | {
        f"texts/{code}.json": json.dumps(catalogue, ensure_ascii=False).encode()
        for code, catalogue in i18n.for_browsers().items()
    }


_FILES: Final = _all()
_HASH: Final = sha256(
    b"\0".join(part for name, content in _FILES.items() for part in (name.encode(), content))
).hexdigest()[:16]


def address(path: str) -> str:
    """Return where a file is, seen from any page.

    Args:
        path: of the file in this folder.
    """
    return f"{PREFIX[1:]}{_HASH}/{path}"


def texts(language: str) -> list[str]:
    """Return the path of a language's texts; none for what stands in the code, English."""
    path = f"texts/{language}.json"
    return [path] if path in _FILES else []


@cache
def needed(module: str) -> tuple[str, ...]:
    """Return the paths of a module, of all that it imports, and of their style sheets."""
    found: dict[str, None] = {}
    waiting = [module]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = None
        text = _FILES[path].decode()
        folder = posixpath.dirname(path)
        waiting += [posixpath.normpath(f"{folder}/{name}") for name in _IMPORTED.findall(text)]
        found |= dict.fromkeys(name for name in _STYLE.findall(text) if name in _FILES)
    return tuple(found)


def asset_routes() -> list[Route]:
    """Return `GET /assets/{hash}/{path}`; a hash of other content is answered by 404."""

    def serve(request: Request) -> Response:
        path = request.path_params["path"]
        content = _FILES.get(path)
        if content is None or request.path_params["hash"] != _HASH:
            raise NotFound(_("There is nothing here."))
        return Response(content, headers=_FOR_GOOD, media_type=_TYPES[Path(path).suffix])

    return [Route(PREFIX + "{hash}/{path:path}", serve)]
