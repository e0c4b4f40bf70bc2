# SPDX-License-Identifier: GPL-3.0-or-later
"""Panel: jobs that go on, with bar and times, and those that have ended, with how it went."""

import bpy
from bpy.app.translations import pgettext_iface as _

from .. import job_timer, progress_text, thumbnails
from ..job import Job, State
from ..text_lines import draw_text, width_of
from .sidebar import SidebarPanel

_SHOWN_ENDED = 5
_THUMBNAIL = 2.4  # widget heights
_VIEW, _VIEWS_A_ROW = 2.6, 4
_ICONS = {"INFO": "CHECKMARK", "WARNING": "ERROR", "ERROR": "CANCEL"}


class HY3D_PT_jobs(SidebarPanel, bpy.types.Panel):
    bl_label = "Jobs"

    def draw(self, context: bpy.types.Context) -> None:
        queue, layout, width = job_timer.queue, self.layout, width_of(context)
        open_jobs = [job for job in queue.jobs if job.worker.role != "setup"]
        ended = [job for job in reversed(queue.ended) if job.worker.role != "setup"]
        if not open_jobs and not ended:
            text = _("No jobs yet. What you start shows here how far it is")
            draw_text(layout, text, width, "INFO")
            return
        for job in open_jobs:
            _draw_open(layout.box(), job, width)
        for job in ended[:_SHOWN_ENDED]:
            _draw_ended(layout.box(), job, width)
        if len(open_jobs) > 1:
            layout.operator("hunyuan3d.cancel", text="Cancel All", icon="X")
        if len(ended) > 1:
            text = _("Clear List")
            if len(ended) > _SHOWN_ENDED:
                text = _("Clear List, {number} More").format(number=len(ended) - _SHOWN_ENDED)
            layout.operator("hunyuan3d.remove_job", text=text, icon="TRASH", translate=False)


def _draw_open(box: bpy.types.UILayout, job: Job, width: float) -> None:
    row = box.row()
    _draw_thumbnail(row, job)
    column = row.column(align=True)
    column.label(text=job.title, translate=False)
    bar = column.row(align=True)
    bar.progress(text=progress_text.describe(job), factor=job.fraction, type="BAR", translate=False)
    stop = bar.row(align=True)
    stop.enabled = job.state is not State.CANCELLING
    stop.operator("hunyuan3d.cancel", text="", icon="X").number = job.number
    if job.began is not None:
        times = column.row()
        times.active = False
        text = progress_text.times(job, job_timer.queue.time_left(job))
        times.label(text=text, translate=False)
    _draw_views(box, job)
    if job.hint:
        draw_text(box, _(job.hint), width, "INFO")


def _draw_ended(box: bpy.types.UILayout, job: Job, width: float) -> None:
    row = box.row()
    _draw_thumbnail(row, job)
    column = row.column(align=True)
    column.label(text=job.title, translate=False)
    line = column.row(align=True)
    state = line.row()
    state.active = False
    words = _(progress_text.STATES[job.state])
    state.label(text=f"{words} · {progress_text.duration(job.elapsed)}", translate=False)
    buttons = line.row(align=True)
    buttons.alignment = "RIGHT"
    if job.again is not None:
        buttons.operator("hunyuan3d.retry", text="", icon="LOOP_BACK").number = job.number
    buttons.operator("hunyuan3d.remove_job", text="", icon="TRASH").number = job.number
    _draw_views(box, job)
    if job.state is not State.CANCELLED:
        for level, text in job.reports:
            draw_text(box, text, width - 20, _ICONS[level])


def _draw_views(box: bpy.types.UILayout, job: Job) -> None:
    """What the worker has shown so far: the cut-out picture, then the painted views."""
    icons = [icon for icon in thumbnails.icons_of_views(job) if icon]
    for start in range(0, len(icons), _VIEWS_A_ROW):
        row = box.row()
        row.alignment = "LEFT"
        for icon in icons[start : start + _VIEWS_A_ROW]:
            cell = row.column()
            cell.ui_units_x = _VIEW
            cell.template_icon(icon_value=icon, scale=_VIEW)


def _draw_thumbnail(row: bpy.types.UILayout, job: Job) -> None:
    icon = thumbnails.icon_of(job.picture) if job.picture else 0
    if icon:
        cell = row.column()
        cell.ui_units_x = _THUMBNAIL
        cell.template_icon(icon_value=icon, scale=_THUMBNAIL)


def register() -> None:
    bpy.utils.register_class(HY3D_PT_jobs)


def unregister() -> None:
    bpy.utils.unregister_class(HY3D_PT_jobs)
