"""Parts of pipelines that hold whatever is stored where they look.

Left alone, `$add` of a text or `$size` of a number fails the whole pipeline, for everybody.
"""

from typing import Any, Final

_LARGEST: Final = 1e15  # beyond it a floating-point number does not count single cents any more


def number_at(path: str) -> dict[str, Any]:
    """Return the number at a path; 0 where there is none, it is negative, or no number at all."""
    # In MongoDB's order NaN comes before all other numbers.
    sane = {"$and": [{"$isNumber": path}, {"$gte": [path, 0]}, {"$lte": [path, _LARGEST]}]}
    return {"$cond": [sane, path, 0]}


def amount_at(path: str) -> dict[str, Any]:
    """Return the number at a path as `number_at` does, and None where there is none."""
    sane = {"$and": [{"$isNumber": path}, {"$gte": [path, 0]}, {"$lte": [path, _LARGEST]}]}
    return {"$cond": [sane, path, None]}


def array_at(path: str) -> dict[str, Any]:
    """Return the list at a path; an empty one where there is none."""
    return {"$cond": [{"$isArray": path}, path, []]}
