"""A fault layer for stand-ins: what vendors, gateways and local servers really make of replies.

Every JSON that is answered, and every frame of a stream, is mutated by chance and by a seed: fields
are removed, or become null, a number, a text or a list; they are nested in `data` and spelt in
another case; streams get pings, comments and frames without JSON. Media, and the ids of
creations, stay, for without them there is nothing to be read.
"""

import json
import random
from collections.abc import Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LONG: Final = 200  # characters from which a text is taken for an image
_NOISE: Final = (
    b": keep-alive\n\n",
    b"event: ping\ndata: \n\n",
    b"data:\n\n",
    b"retry: 3000\n\n",
    b'event: unheard.of\ndata: {"type":"unheard.of"}\n\n',
    b"data: not json\n\n",
    b"event: ping\r\ndata: {}\r\n\r\n",
)


def is_medium(name: str, value: object) -> bool:
    """Whether a value is an image or clip, or the address of one."""
    del name
    return isinstance(value, str) and (len(value) >= _LONG or value.startswith("http"))


def is_medium_or_id(name: str, value: object) -> bool:
    """Whether a value is as above, or what a creation is resumed by."""
    return name == "id" or is_medium(name, value)


def mutated(
    document: Any,  # any JSON
    chance: random.Random,
    share: float = 0.4,
    *,
    precious: Callable[[str, object], bool] = is_medium,
) -> Any:
    """Return a document with about a share of its fields made odd.

    Args:
        document: decoded JSON.
        chance: decides what becomes of it.
        share: of the fields.
        precious: whether a field of this name and value has to stay.
    """
    made = _mutated("", document, chance, share, precious)
    if chance.random() < share / 4:
        made = {"code": 200, "msg": "success", "data": made}
    return made


def _mutated(
    name: str,
    value: Any,
    chance: random.Random,
    share: float,
    precious: Callable[[str, object], bool],
) -> Any:
    if isinstance(value, list):
        return [_mutated(name, each, chance, share, precious) for each in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for key, each in value.items():
        keeps = _holds(key, each, precious)
        inner = _mutated(key, each, chance, share, precious)
        spelt = key if chance.random() > share / 2 else _spelt(key, chance)
        if chance.random() > share:
            made[spelt] = inner
        elif not keeps:
            odd = chance.choice(
                (None, -7.5, "odd", ["odd"], {"data": inner}, "", 10**40, float("nan"))
            )
            if chance.random() > 0.25:
                made[spelt] = odd
        elif isinstance(each, dict | list):
            made[spelt] = chance.choice((inner, {"data": inner}, [inner]))
        else:
            made[spelt] = inner
    return made


def _holds(name: str, value: object, precious: Callable[[str, object], bool]) -> bool:
    if isinstance(value, dict):
        return any(_holds(key, each, precious) for key, each in value.items())
    if isinstance(value, list):
        return any(_holds(name, each, precious) for each in value)
    return precious(name, value)


def _spelt(name: str, chance: random.Random) -> str:
    words = name.split("_")
    camel = words[0] + "".join(word.title() for word in words[1:])
    return chance.choice((name.upper(), name.title(), camel))


class Odd:
    """An ASGI middleware that mutates what a stand-in answers.

    Args:
        app: the stand-in.
        seed: of the mutations; may be set anew at any time. None: nothing is mutated.
        share: of the fields that are made odd.
        spared: what paths begin with that are answered as they are, beside those of `/_`.
    """

    def __init__(
        self,
        app: Starlette,
        seed: int | None = None,
        share: float = 0.4,
        spared: tuple[str, ...] = (),
    ) -> None:
        self.app: ASGIApp = app
        self.spared = ("/_", *spared)
        self.share = share
        self.seed = seed
        self.sent: list[bytes] = []

    @property
    def seed(self) -> int | None:
        """The seed; set, it starts the chance anew."""
        return self._seed

    @seed.setter
    def seed(self, seed: int | None) -> None:
        self._seed = seed
        self._chance = random.Random(seed)
        self.sent = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        plain = scope["type"] != "http" or scope["path"].startswith(self.spared)
        if self.seed is None or plain:
            await self.app(scope, receive, send)
            return
        creating = scope["method"] == "POST"
        start: Message = {}
        kind = ""

        async def pass_on(message: Message) -> None:
            nonlocal start, kind
            if message["type"] == "http.response.start":
                start = message
                kind = dict(message["headers"]).get(b"content-type", b"").decode()
                if ("json" not in kind and "event-stream" not in kind) or "event-stream" in kind:
                    await send(message)
                return
            body = message.get("body", b"")
            if "json" in kind:
                body = self.document(body, creating=creating)
                headers = [each for each in start["headers"] if each[0] != b"content-length"]
                headers.append((b"content-length", str(len(body)).encode()))
                await send({**start, "headers": headers})
            elif "event-stream" in kind and body:
                body = self.frames(body)
            await send({**message, "body": body})

        await self.app(scope, receive, pass_on)

    def document(self, body: bytes, *, creating: bool) -> bytes:
        """Return a JSON, made odd; the id of what was created stays."""
        try:
            document = json.loads(body)
        except ValueError:
            return body
        precious = is_medium_or_id if creating else is_medium
        made = json.dumps(mutated(document, self._chance, self.share, precious=precious)).encode()
        self.sent.append(made)
        return self._chance.choice((b"", b"", b"\xef\xbb\xbf", b"\n ")) + made

    def frames(self, body: bytes) -> bytes:
        """Return a stream of events, made odd."""
        frames = []
        for frame in body.split(b"\n\n"):
            head, found, data = frame.partition(b"data: ")
            if found:
                document = json.loads(data)
                odd = mutated(document, self._chance, self.share)
                if isinstance(document, dict) and "type" in document and isinstance(odd, dict):
                    odd = {**odd, "type": document["type"]}  # else a preview is an image like any
                frame = head + b"data: " + json.dumps(odd).encode()  # noqa: PLW2901
                if self._chance.random() < self.share:
                    frames.append(self._chance.choice(_NOISE).rstrip(b"\r\n"))
            frames.append(frame)
        ending = self._chance.choice((b"\n", b"\r\n"))
        made = b"\n\n".join(frames).replace(b"\r\n", b"\n").replace(b"\n", ending)
        self.sent.append(made)
        return made
