# SPDX-License-Identifier: Apache-2.0
"""What tests of several folders use."""

import os

import pytest


@pytest.fixture
def ghostscript(tmp_path, monkeypatch):
    """A file that is there once Pillow has started Ghostscript, for which a script stands here."""
    if os.name == "nt":
        pytest.skip("a script stands for the program")
    started = tmp_path / "started"
    program = tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {started}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)  # what it found before
    return started
