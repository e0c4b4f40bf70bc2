# SPDX-License-Identifier: Apache-2.0
"""The log of shape generation."""

import logging


def get_logger(name: str) -> logging.Logger:
    """The log of that name, showing what is at least of level INFO."""
    log = logging.getLogger(name)
    log.setLevel(logging.INFO)
    return log


logger = get_logger("hy3dgen.shapgen")  # the published spelling, which log settings refer to
