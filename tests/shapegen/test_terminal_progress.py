# SPDX-License-Identifier: Apache-2.0
"""Progress on a terminal: a line that goes again, and nothing anywhere else."""

import io
import sys

import torch
from golden import FOLDER, Case

from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
from hy3dgen.shapegen import terminal_progress as module
from hy3dgen.shapegen.terminal_progress import TerminalProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_line_for_each_step_that_goes_with_its_stage(monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 0.0)
    terminal = Terminal()
    progress = TerminalProgress(terminal)
    for step in range(3):
        progress("denoise", step, 2)
    progress("extract", 0, 1)
    assert terminal.getvalue().split("\r\033[K") == [
        "", "denoise   0%\r", "denoise  50%\r", "", "extract\r",
    ]  # fmt: skip


def test_updates_are_few():
    terminal = Terminal()
    progress = TerminalProgress(terminal)
    for step in range(1000):
        progress("decode", step, 1000)
    assert terminal.getvalue().count("decode") < 20


def test_a_file_gets_nothing():
    file = io.StringIO()
    TerminalProgress(file)("decode", 1, 5)
    assert file.getvalue() == ""


def test_a_call_shows_it_unless_told_otherwise(monkeypatch):
    case = Case("e2e_flow_cfg")
    pipe = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
        case.checkpoint, device="cpu", dtype=torch.float32, variant=None, subfolder=None
    )
    picture = FOLDER / "images" / "e2e_flow_cfg_0.png"

    def shown(**options):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        pipe(picture, latents=case["in.initial_latents"], num_inference_steps=2,
             octree_resolution=12, **options)  # fmt: skip
        monkeypatch.undo()
        return terminal.getvalue()

    text = shown()
    assert "condition" in text and text.endswith("\033[K")  # the line has gone
    assert shown(enable_pbar=False) == ""
    assert shown(progress=lambda *event: None) == ""
