"""Logging of the web process: Streamlit and uvicorn use the root logger and its format."""

import logging

from streamlit import logger as streamlit_logger
from uvicorn.config import LOGGING_CONFIG

from core.web.forged_widgets import leave_out_forged, without_traceback


def share_log() -> None:
    """Pass what Streamlit and uvicorn log on to the root logger, instead of to handlers of theirs.

    Streamlit adds a handler to each of its loggers, at once and after reading its settings. uvicorn
    configures its own loggers when it starts.
    """
    streamlit_logger.setup_formatter = _through_root
    streamlit_logger.update_formatter()
    LOGGING_CONFIG["loggers"] = {}
    logging.getLogger("streamlit.error_util").addFilter(leave_out_forged)
    serialization = "streamlit.components.v2.bidi_component.serialization"
    logging.getLogger(serialization).addFilter(without_traceback)


def _through_root(logger: logging.Logger) -> None:
    logger.handlers.clear()
    logger.propagate = True
