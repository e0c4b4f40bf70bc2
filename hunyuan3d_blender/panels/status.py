# SPDX-License-Identifier: GPL-3.0-or-later
"""Panel: which workers run, where, and how much memory is free there."""

import os
from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as _

from hy3dgen.errors import Hy3DError

from .. import environment, job_timer, preferences
from ..job import sentence
from ..text_lines import draw_text, width_of
from ..warm_worker import WorkerStatus
from .sidebar import SidebarPanel


class HY3D_PT_status(SidebarPanel, bpy.types.Panel):
    bl_label = "Status"

    def draw(self, context: bpy.types.Context) -> None:
        layout, width, queue = self.layout, width_of(context), job_timer.queue
        generation, mesh = queue.status("generation"), queue.status("mesh")
        column = layout.column(align=True)
        _draw_generation(column, context, generation, width)
        if mesh is not None and mesh.hello is not None:
            draw_text(column, _("Reduction and textures: ready"), width, "CHECKMARK")
        _draw_cache(column, queue.cached_bytes())
        row = layout.row(align=True)
        if generation is None or generation.error:
            row.operator("hunyuan3d.start_worker", text="Start", icon="PLAY")
        if queue.has_workers:
            row.operator("hunyuan3d.stop_worker", text="Stop", icon="PAUSE")
        folder = preferences.log_folder()
        log = row.row(align=True)
        log.enabled = os.path.isdir(folder)  # there from the first start of a worker on
        log.operator("wm.path_open", text="Log", icon="TEXT").filepath = folder
        row.operator(
            "preferences.addon_show", text="", icon="PREFERENCES"
        ).module = preferences.PACKAGE


def _draw_generation(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    status: WorkerStatus | None,
    width: float,
) -> None:
    if status is None:
        draw_text(
            layout, _("Generation: no worker yet; the first job starts it"), width, "RADIOBUT_OFF"
        )
        _draw_future(layout, context, width)
        return
    if status.error:
        draw_text(layout, sentence(status.error), width, "ERROR")
        return
    hello = status.hello
    if hello is None:
        draw_text(layout, _("The worker starts…"), width, "TIME")
        return
    text = _("Generation: ready, Python {version}").format(version=hello.python)
    draw_text(layout, text, width, "CHECKMARK")
    device = status.memory.get("gpu") or hello.device
    draw_text(layout, _("Device: {name}").format(name=_device(device)), width, "BLANK1")
    for line in _memory(status.memory):
        draw_text(layout, line, width, "BLANK1")


def _draw_cache(layout: bpy.types.UILayout, kept: int) -> None:
    if kept == 0:
        return
    row = layout.row(align=True)
    size = f"{max(kept / 2**20, 1):.0f}"
    row.label(text=_("Texture cache: {size} MB").format(size=size), icon="BLANK1", translate=False)
    row.operator("hunyuan3d.clear_cache", text="", icon="TRASH")


def _draw_future(layout: bpy.types.UILayout, context: bpy.types.Context, width: float) -> None:
    try:
        python = environment.generation_python(context)
    except Hy3DError as error:
        draw_text(layout, sentence(str(error)), width, "ERROR")
        return
    text = _("It will use Blender's own Python") if python is None else _("It will use {python}")
    draw_text(layout, text.format(python=python), width, "BLANK1")


def _device(name: str) -> str:
    """ "cpu" and "cpu (numpy)" are what the worker calls it."""
    return _("this computer's processor") if name.startswith("cpu") else name


def _memory(memory: dict[str, Any]) -> list[str]:
    lines = []
    if memory.get("gpu_total_mb"):
        lines.append(
            _("Graphics memory: {free} of {total} free").format(
                free=_gigabytes(memory["gpu_free_mb"]), total=_gigabytes(memory["gpu_total_mb"])
            )
        )
    if memory.get("free_mb") and memory.get("total_mb"):
        lines.append(
            _("Memory: {free} of {total} free").format(
                free=_gigabytes(memory["free_mb"]), total=_gigabytes(memory["total_mb"])
            )
        )
    return lines


def _gigabytes(megabytes: int) -> str:
    return f"{megabytes / 1024:.1f} GB"


def register() -> None:
    bpy.utils.register_class(HY3D_PT_status)


def unregister() -> None:
    bpy.utils.unregister_class(HY3D_PT_status)
