"""Forged widget states, recognised by where Streamlit's code raises.

Streamlit trusts the type and shape of a state from the browser. A number in place of a text raises
in its own code, before or while the widget is drawn. That is no bug of ours and affects only that
tab, and it should not fill the log with tracebacks.
"""

import logging
import traceback
from pathlib import Path
from typing import Final

import streamlit

_STREAMLIT: Final = Path(streamlit.__file__).parent
_OURS: Final = (Path(__file__).parents[1], Path(__file__).parents[2] / "pages")
_READS_STATE: Final = (
    _STREAMLIT / "runtime" / "state",
    _STREAMLIT / "elements",
    _STREAMLIT / "components",
)
_ERRORS: Final = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


def is_forged(error: BaseException | None) -> bool:
    """Return whether an error was raised by Streamlit while it read a widget's state."""
    if not isinstance(error, _ERRORS) or isinstance(error, streamlit.errors.Error):
        return False
    frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    after_ours: list[tuple[Path, str]] = []
    for code in frames:
        place = Path(code.co_filename)
        if any(place.is_relative_to(folder) for folder in _OURS):
            after_ours.clear()
        else:
            after_ours.append((place, code.co_name))
    return any(
        name in _READERS and any(place.is_relative_to(folder) for folder in _READS_STATE)
        for place, name in after_ours
    )


_READERS: Final = frozenset(
    {
        *("deserialize", "deserialize_trigger_list", "unpack_widget_state_value"),
        *("get_serialized", "call_callbacks", "_call_callbacks", "on_script_will_rerun"),
        *("register_widget", "_call_widget_callback", "_handle_query_param_binding"),
        *("maybe_coerce_enum", "maybe_coerce_enum_sequence"),
    }
)


def leave_out_forged(record: logging.LogRecord) -> bool:
    """Drop Streamlit's log records about forged states; a logging filter."""
    return not (record.exc_info and is_forged(record.exc_info[1]))


def without_traceback(record: logging.LogRecord) -> bool:
    """Remove the traceback from a record, so that it is one line; a logging filter."""
    record.exc_info = None
    return True
