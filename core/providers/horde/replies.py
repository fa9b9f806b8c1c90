"""Reading the AI Horde's replies about one image: its progress, its outcome, its censorship."""

import math
from collections.abc import Mapping
from typing import Any

from core.i18n import N_
from core.providers.base import Outcome
from core.providers.errors import GenerationFailed, PromptRejected
from core.providers.responses.reader import Reply, number


def is_done(task: Reply) -> bool:
    """Whether an image is finished, in whichever field the reply has it."""
    done, finished = task.fact("done"), number(task.fact("finished"))
    named = str(done).lower() in {"1", "true", "yes"} or (done is None and finished == 1)
    return named or bool(task.media)


def progress_of(task: Reply, elapsed: float) -> float:
    """Return the share that is done, 0 to 0.95, after so many seconds."""
    return min(elapsed / max(elapsed + _number(task, "wait_time"), 0.001), 0.95)


def waiting_text(task: Reply) -> str:
    """Return the place in the queue, for the user; empty: a volunteer makes the image."""
    if _number(task, "processing"):
        return ""
    place = max(1, round(_number(task, "queue_position")))
    minutes = max(1, math.ceil(_number(task, "wait_time") / 60))
    sentence = N_("place {place} in the queue, about {minutes} min")
    return sentence.format(place=f"{place:,}", minutes=f"{minutes:,}")


def outcome_of(task: Reply) -> Outcome:
    """Return the outcome of an image that is done.

    Args:
        task: its `status`.

    Raises:
        GenerationFailed: there is no image.
        PromptRejected: it is blackened.
    """
    generations = task.fact("generations")
    if generations is None and not task.media and task.fact("done") is True:
        raise GenerationFailed(N_("It was stopped before a volunteer had made it."), retryable=True)
    check_censorship(task)
    generation = _generation(task)
    details: dict[str, Any] = {
        name: value
        for name in ("model", "seed")
        if isinstance(value := generation.get(name), str | int) and value != ""
    }
    kudos, shared = number(task.fact("kudos")), task.fact("shared")
    details |= {} if kudos is None else {"kudos": kudos}
    details |= {"shared": shared} if isinstance(shared, bool) else {}
    worker = generation.get("worker_name")
    details |= {"worker": worker} if isinstance(worker, str) and worker else {}
    return Outcome(cost=0.0, details=details)


def check_censorship(task: Reply) -> None:
    """Check that an image is not blackened.

    Raises:
        PromptRejected: it is.
    """
    generation = _generation(task)
    metadata = generation.get("gen_metadata")
    notes = metadata if isinstance(metadata, list) else []
    censored = any(isinstance(each, dict) and each.get("type") == "censorship" for each in notes)
    if generation.get("censored") is True or censored:
        raise PromptRejected(
            N_("The volunteer's filter blackened this image. Please put the prompt in other words.")
        )


def _generation(task: Reply) -> Mapping[str, Any]:
    """Return the fields of a task's image; empty: none that can be read."""
    generations = task.fact("generations")
    found = generations[0] if isinstance(generations, list) and generations else generations
    return found if isinstance(found, dict) else {}


def _number(task: Reply, name: str) -> float:
    return number(task.fact(name)) or 0.0
