"""How servers with OpenAI's endpoints take options that OpenAI itself does not have.

Seed, steps, guidance and negative prompt are sent differently to each. Facts are of the servers'
own source, which `tests/contract/test_dialects.py` names and holds: stable-diffusion.cpp,
`examples/server` (a JSON in the prompt, everything else at the top level is ignored, and one model
is listed under a fixed name); LocalAI, `core/http` (`seed`, `step`, and the negative prompt behind
a `|` in the prompt, which ends the prompt wherever it stands; clips at a route of its own).
"""

import json
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from core.providers.base import Option
from core.providers.responses.reader import Reply

_TAG: Final = re.compile(r"<sd_cpp_extra_args>.*?</sd_cpp_extra_args>", re.DOTALL)
_HALF_A_TAG: Final = re.compile(r"</?sd_cpp_extra_args>")
_RANDOM_SEED: Final = -1  # at sd-server, whose own is 42
LOCALAI_INFO: Final = "/.well-known/localai.json"
"""Where LocalAI describes itself, without a key too (since version 4.1, April 2026)."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The way in which a server takes options.

    Attributes:
        name: as it is written in the settings.
        fields: names of options at the top level of a request; options that are neither here nor in
            the prompt are not offered.
        clip_fields: the same for clips; None: those of images.
        in_prompt: whether options are sent as JSON within the prompt.
        bar: whether the negative prompt follows a `|` in the prompt.
        always: fields of every request.
        clip_route: the route, below the server's root, that responds with a clip at once; empty:
            clips are tasks of `/v1/videos`.
        listed: the fixed name that the server lists its model under; empty: it lists models by
            their own.
    """

    name: str
    fields: Mapping[str, str]
    clip_fields: Mapping[str, str] | None = None
    in_prompt: bool = False
    bar: bool = False
    always: Mapping[str, Any] = field(default_factory=dict)
    clip_route: str = ""
    listed: str = ""

    @property
    def is_openai(self) -> bool:
        """Whether a model with a name of OpenAI's is called as at OpenAI."""
        return self.name == "openai"

    def offered(self, options: tuple[Option, ...], *, clips: bool = False) -> tuple[Option, ...]:
        """Return those of the options that the server takes."""
        known = set(self._fields(clips=clips))
        if not clips:
            known |= {"steps", "guidance", "negative_prompt"} if self.in_prompt else set()
            known |= {"negative_prompt"} if self.bar else set()
        return tuple(each for each in options if each.name in known)

    def body(self, params: Mapping[str, Any], *, clips: bool = False) -> dict[str, Any]:
        """Return the fields beside OpenAI's own arguments."""
        fields = self._fields(clips=clips)
        chosen = {
            field: params[name] for name, field in fields.items() if params.get(name) is not None
        }
        return dict(self.always) | chosen

    def clip(
        self, model: str, prompt: str, params: Mapping[str, Any], source: Path | None
    ) -> dict[str, Any]:
        """Return the body for `clip_route`; takes a while where there is a source.

        Args:
            model: its name.
            prompt: as it was written.
            params: `Request.params`.
            source: the clip's first frame; None: there is none.
        """
        body = {"model": model, "prompt": prompt} | self.body(params, clips=True)
        body |= {"width": params["width"], "height": params["height"], "fps": params["fps"]}
        body |= {"num_frames": round(params["seconds"] * params["fps"])}
        first = {} if source is None else {"start_image": b64encode(source.read_bytes()).decode()}
        return body | first

    def _fields(self, *, clips: bool) -> Mapping[str, str]:
        return self.clip_fields if clips and self.clip_fields is not None else self.fields

    def prompt(self, prompt: str, params: Mapping[str, Any]) -> str:
        """Return the prompt in the server's form."""
        if self.bar:
            negative = str(params.get("negative_prompt") or "").replace("|", " ")
            plain = prompt.replace("|", " ")
            return f"{plain}|{negative}" if negative else plain
        if not self.in_prompt:
            return prompt
        arguments = _sd_arguments(params)
        plain = _HALF_A_TAG.sub(" ", _TAG.sub(" ", prompt)).strip()
        tag = json.dumps(arguments).replace("</", "<\\/")  # a text must not close the tag
        return f"{plain} <sd_cpp_extra_args>{tag}</sd_cpp_extra_args>"


def _sd_arguments(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return options by stable-diffusion.cpp's names, in its old and its new format."""
    arguments: dict[str, Any] = {
        field: params[name]
        for name, field in (
            ("seed", "seed"),
            ("steps", "steps"),
            ("guidance", "cfg_scale"),
            ("negative_prompt", "negative_prompt"),
        )
        if params.get(name) is not None
    }
    sample: dict[str, Any] = {}
    if "steps" in arguments:
        sample["sample_steps"] = arguments["steps"]
    if "cfg_scale" in arguments:
        sample["guidance"] = {"txt_cfg": arguments["cfg_scale"]}
    return {"seed": _RANDOM_SEED} | arguments | ({"sample_params": sample} if sample else {})


DIALECTS: Final = {
    each.name: each
    for each in (
        # vLLM-Omni and SGLang; others ignore unknown fields
        Dialect(
            name="openai",
            fields={
                "seed": "seed",
                "steps": "num_inference_steps",
                "guidance": "guidance_scale",
                "negative_prompt": "negative_prompt",
            },
        ),
        Dialect(name="sd-server", fields={}, in_prompt=True, listed="sd-cpp-local"),
        Dialect(
            name="localai",
            fields={"seed": "seed", "steps": "step"},
            clip_fields={
                "seed": "seed",
                "steps": "step",
                "guidance": "cfg_scale",
                "negative_prompt": "negative_prompt",
            },
            bar=True,
            always={
                "response_format": "b64_json"
            },  # else the file stays at the server, behind an address
            clip_route="/video",
        ),
    )
}


def owners(listing: Reply) -> dict[str, str]:
    """Return the owners of the models in a server's list, by the models' names."""
    listed = listing.fact("data") or listing.fact("models") or listing.document
    found = {}
    for each in listed if isinstance(listed, list) else []:
        fields = each if isinstance(each, dict) else {"id": each}
        name = fields.get("id") or fields.get("name") or fields.get("model")
        found[str(name)] = str(fields.get("owned_by") or "")
    return found


async def detect_dialect(
    models: Mapping[str, str],
    headers: Mapping[str, str],
    ask: Callable[[str], Awaitable[Reply]],
) -> Dialect:
    """Return the dialect of a server by its list of models; costs nothing.

    Args:
        models: owners by the names of the models that it lists.
        headers: of that response.
        ask: reads a path below the server's root; an empty reply: there is nothing.
    """
    if DIALECTS["sd-server"].listed in models:
        return DIALECTS["sd-server"]
    local = "localai" in " ".join([*models.values(), headers.get("server", "")]).lower()
    if not local and not any(models.values()):  # LocalAI names no owners, others do
        local = _has(await ask(LOCALAI_INFO), "endpoints", "version")
        local = local or _has(await ask("/system"), "backends", "loaded_models")
    return DIALECTS["localai" if local else "openai"]


def _has(reply: Reply, *names: str) -> bool:
    """Whether a reply has all of these fields, perhaps empty."""
    return isinstance(reply.document, Mapping) and set(names) <= reply.document.keys()
