"""How servers behind OpenAI's endpoints want what OpenAI itself does not know.

Seed, steps, guidance and negative prompt travel differently to each. Facts are of the servers' own
documentation and source, November 2026: stable-diffusion.cpp, `examples/server/api.md` (a JSON
in the prompt; everything else at the top level is ignored, and one model is listed under a fixed
name); LocalAI, `core/http/endpoints/openai/image.go` (`seed`, `step`, and the negative prompt
behind a `|` in the prompt, which ends the prompt wherever it stands).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.providers.base import Option
from core.providers.responses import Reply

AUTO_DIALECT: Final = ""
"""A server is asked once, free of charge, which dialect it speaks."""
_TAG: Final = re.compile(r"<sd_cpp_extra_args>.*?</sd_cpp_extra_args>", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What a server understands.

    Attributes:
        name: as it is written in the settings.
        fields: the names that options have at the top level of a request; what is not here and not
            in the prompt is not offered.
        clip_fields: the same for clips; None: those of images.
        in_prompt: whether they travel as JSON within the prompt.
        bar: whether the negative prompt stands behind a `|` in the prompt.
        listed: the one name that the server lists its model under, whatever model it is; empty: it
            lists them by their own.
    """

    name: str
    fields: Mapping[str, str]
    clip_fields: Mapping[str, str] | None = None
    in_prompt: bool = False
    bar: bool = False
    listed: str = ""

    def offered(self, options: tuple[Option, ...], *, clips: bool = False) -> tuple[Option, ...]:
        """Return those of some options that the server understands."""
        known = set(self._fields(clips=clips))
        if not clips:
            known |= {"steps", "guidance", "negative_prompt"} if self.in_prompt else set()
            known |= {"negative_prompt"} if self.bar else set()
        return tuple(each for each in options if each.name in known)

    def body(self, params: Mapping[str, Any], *, clips: bool = False) -> dict[str, Any]:
        """Return what goes beside the arguments that OpenAI knows."""
        fields = self._fields(clips=clips)
        return {
            field: params[name] for name, field in fields.items() if params.get(name) is not None
        }

    def _fields(self, *, clips: bool) -> Mapping[str, str]:
        return self.clip_fields if clips and self.clip_fields is not None else self.fields

    def prompt(self, prompt: str, params: Mapping[str, Any]) -> str:
        """Return a prompt as the server takes it."""
        if self.bar:
            unwanted = str(params.get("negative_prompt") or "").replace("|", " ")
            plain = prompt.replace("|", " ")
            return f"{plain}|{unwanted}" if unwanted else plain
        if not self.in_prompt:
            return prompt
        arguments = _sd_arguments(params)
        plain = _TAG.sub(" ", prompt).strip()
        tag = json.dumps(arguments).replace("</", "<\\/")  # it must not end within a text
        return f"{plain} <sd_cpp_extra_args>{tag}</sd_cpp_extra_args>"


def _sd_arguments(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as stable-diffusion.cpp's server names them, in its old and its new way."""
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
    return arguments | ({"sample_params": sample} if sample else {})


DIALECTS: Final = {
    each.name: each
    for each in (
        # vLLM-Omni and SGLang; others ignore what they do not know
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


def recognised(models: Mapping[str, str], headers: Mapping[str, str]) -> Dialect:
    """Return the dialect of a server that was asked for its models, which costs nothing.

    Args:
        models: owners by the names of the models that it lists.
        headers: of its answer.
    """
    if DIALECTS["sd-server"].listed in models:
        return DIALECTS["sd-server"]
    local = "localai" in " ".join([*models.values(), headers.get("server", "")]).lower()
    return DIALECTS["localai" if local else "openai"]
