# SPDX-License-Identifier: GPL-3.0-or-later
"""How the extension's preferences look: the worker's Python, the models, behaviour.

Draws from preferences, jobs and what lies on the disk; changes nothing.
"""

import os

import bpy
from bpy.app.translations import pgettext_iface as _

from hy3dgen.errors import Hy3DError
from hy3dgen.install import models
from hy3dgen.install.disk import gigabytes
from hy3dgen.install.environment import ABSENT, BROKEN, READY, UNFINISHED

from . import environment, model_source, preferences, setup_facts, setup_jobs
from .error_words import shown
from .job import Job, State, sentence
from .progress_text import STATES
from .text_lines import draw_text, width_of

_STATUS_ICONS = {ABSENT: "BLANK1", UNFINISHED: "TIME", READY: "CHECKMARK", BROKEN: "ERROR"}
_HEADINGS = ("Model", "Download", "GPU Memory", "Licence")
_COLUMNS = (0.2, 0.12, 0.12, 0.24)  # shares of a row: name, size, memory, licence; the rest: state


class HY3D_AP_preferences(preferences.Preferences, bpy.types.AddonPreferences):
    bl_idname = __package__

    def draw(self, context: bpy.types.Context) -> None:
        layout, width = self.layout, width_of(context)
        setup_facts.build_for_this_machine()  # known by the time that somebody asks for it
        _draw_worker(_section(layout, "Python for Generation", "CONSOLE"), context, self, width)
        _draw_models(_section(layout, "Models", "MESH_MONKEY"), context, self, width)
        _draw_behaviour(_section(layout, "Behaviour", "PREFERENCES"), self)


def _section(layout: bpy.types.UILayout, title: str, icon: str) -> bpy.types.UILayout:
    box = layout.box()
    box.label(text=title, icon=icon)
    return box.column()


# --- the worker's Python --------------------------------------------------------------------------


def _draw_worker(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    settings: preferences.Preferences,
    width: float,
) -> None:
    draw_text(layout, *_in_use(context, settings, width))
    layout.separator()

    split = layout.split(factor=0.25)
    split.label(text="Python of Yours")
    row = split.split(factor=0.75, align=True)
    row.prop(settings, "python", text="", placeholder="…/venv/bin/python")
    job = setup_jobs.latest(setup_jobs.PYTHON)
    check = row.row(align=True)
    check.enabled = bool(settings.python) and (job is None or job.ended)
    check.operator("hunyuan3d.use_python", text="Check").filepath = settings.python
    _draw_job(layout, job, width)

    split = layout.split(factor=0.25)
    split.label(text="Environment")
    column = split.column()
    job = setup_jobs.latest(setup_jobs.ENVIRONMENT)
    if job is not None and not job.ended:
        _draw_progress(column, job)
        return
    status = setup_facts.environment_status(context)
    row = column.row(align=True)
    if status.kind != READY:
        text = "Continue…" if status.kind == UNFINISHED else "Make Environment…"
        row.operator("hunyuan3d.make_environment", text=text, icon="IMPORT")
    if status.kind != ABSENT:
        row.operator("hunyuan3d.remove_environment", text="Remove", icon="TRASH")
    if status.kind == READY:
        text = _("{size} in {folder}").format(
            size=gigabytes(status.size), folder=environment.made_environment(context).folder
        )
        draw_text(column, text, 0.7 * width, _STATUS_ICONS[READY])
    elif status.kind != ABSENT:
        draw_text(column, status.sentence, 0.7 * width, _STATUS_ICONS[status.kind])
    _draw_job(layout, job, width)


def _in_use(
    context: bpy.types.Context, settings: preferences.Preferences, width: float
) -> tuple[str, float, str]:
    """What generation runs on: a sentence, its width, its icon."""
    try:
        python = environment.generation_python(context)
    except Hy3DError as error:
        return sentence(str(error)), width, "ERROR"
    if python is None:
        text = (
            "Works as it is for the small bundled model, on this computer's processor. The models "
            "below need PyTorch: make an environment, or choose a Python that has it."
        )
        return text, width, "INFO"
    if settings.python:
        return _("Generation uses {python}").format(python=python), width, "CHECKMARK"
    found = shown(setup_facts.environment_status(context).sentence)
    text = _("Generation uses the environment: {sentence}").format(sentence=found)
    return text, width, "CHECKMARK"


# --- models ---------------------------------------------------------------------------------------


def _draw_models(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    settings: preferences.Preferences,
    width: float,
) -> None:
    heading = _cells(layout)
    for cell, text in zip(heading, _HEADINGS, strict=False):
        cell.label(text=text)
    heading[-1].label(text="On This Machine")
    layout.separator(factor=0.3)

    chosen = settings.default_model
    rows = layout.column()
    name, size, memory, licence, state = _cells(rows)
    _draw_choice(name, "Small", "", not chosen)
    size.label(text="—")
    memory.label(text="—")
    licence.label(text="Apache-2.0")
    state.label(text="Comes with the extension", icon="CHECKMARK")
    obstacle = _obstacle(context)
    for model in models.MODELS:
        _draw_model(rows, context, model, chosen, not obstacle)
    if chosen and not models.known_as(chosen):
        row = rows.split(factor=_COLUMNS[0])
        _draw_choice(row, "Your Folder", chosen, True)
        exists = os.path.isdir(chosen)
        row.label(text=chosen, icon="CHECKMARK" if exists else "ERROR")

    layout.separator(factor=0.5)
    layout.label(text="The marked model is used wherever none is named.", icon="RADIOBUT_ON")
    layout.separator(factor=0.5)
    layout.label(text="For textures; choose one under Texture from Picture", icon="TEXTURE")
    rows = layout.column()
    for model in models.TEXTURE_MODELS:
        _draw_model(rows, context, model, None, not obstacle)
    for model in models.ALL_MODELS:
        _draw_job(layout, setup_jobs.latest(model.key), width, named=True)
    if obstacle:
        draw_text(layout, obstacle, width, "INFO")
    split = layout.split(factor=0.25)
    split.label(text="Models Folder")
    row = split.row()
    row.prop(settings, "models_folder", text="", placeholder=str(model_source.kept_folder(context)))
    row.operator("hunyuan3d.choose_model_folder", text="Use a Folder…", icon="FILE_FOLDER")


def _obstacle(context: bpy.types.Context) -> str:
    """What must come before a download; empty if nothing does."""
    if not bpy.app.online_access:
        text = "To download, allow online access under System. A model in a folder works offline."
        return text
    try:
        ready = environment.generation_python(context) is not None
    except Hy3DError:
        ready = False
    return "" if ready else "To download, make an environment or choose a Python first."


def _cells(layout: bpy.types.UILayout) -> list[bpy.types.UILayout]:
    """One row of the table; a cell of its own for each column."""
    cells = []
    rest, taken = layout, 0.0
    for share in _COLUMNS:
        rest = rest.split(factor=share / (1 - taken))
        cells.append(rest.row())
        taken += share
    return [*cells, rest.row(align=True)]


def _draw_choice(layout: bpy.types.UILayout, text: str, model: str, chosen: bool) -> None:
    row = layout.row()
    row.alignment = "LEFT"
    icon = "RADIOBUT_ON" if chosen else "RADIOBUT_OFF"
    row.operator("hunyuan3d.choose_model", text=text, icon=icon, emboss=False).model = model


def _draw_model(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    model: models.KnownModel,
    chosen: str | None,
    can_download: bool,
) -> None:
    """A row of the table; `chosen` None: none of these can be marked."""
    name, size, memory, licence, state = _cells(layout)
    found = setup_facts.model_on_disk(context, model)
    if found.folder is not None and chosen is not None:
        _draw_choice(name, model.name, model.key, chosen in (model.key, model.name))
    else:
        name.label(text=model.name, icon="BLANK1")
    size.label(text=gigabytes(model.download))
    # The weights alone take what their file does, if the publisher does not tell more.
    if model.memory or chosen is not None:
        more = "" if model.memory else " +"
        memory.label(text=gigabytes(model.memory or model.download) + more)
    else:
        memory.label(text="—")
    row = licence.row()
    row.alignment = "LEFT"
    icon = "CHECKMARK" if setup_facts.licence_accepted(model.licence) else "URL"
    link = row.operator("wm.url_open", text=model.licence.short, icon=icon, emboss=False)
    link.url = model.licence.address

    job = setup_jobs.latest(model.key)
    if job is not None and not job.ended:
        _draw_progress(state, job, short=True)
        return
    if found.folder is not None:
        state.label(text=gigabytes(found.size), icon="CHECKMARK")
        state.operator("hunyuan3d.remove_model", text="", icon="TRASH").model = model.name
        return
    text = "Download…"
    if found.unfinished:
        text = _("Continue, {size} are here").format(size=gigabytes(found.unfinished))
    button = state.row(align=True)
    button.enabled = can_download
    button.operator("hunyuan3d.download_model", text=text, icon="IMPORT").model = model.name
    if found.unfinished:
        state.operator("hunyuan3d.remove_model", text="", icon="TRASH").model = model.name


# --- behaviour ------------------------------------------------------------------------------------


def _draw_behaviour(layout: bpy.types.UILayout, settings: preferences.Preferences) -> None:
    split = layout.split(factor=0.25)
    split.label(text="Close Idle Workers")
    split.prop(settings, "idle_minutes", text="After Minutes")
    split = layout.split(factor=0.25)
    split.label(text="GPU Memory Limit")
    split.prop(settings, "gpu_memory", text="Gigabytes, 0 for All")
    split = layout.split(factor=0.25)
    split.label(text="Preview in the 3D View")
    split.row().prop(settings, "preview", expand=True)
    split = layout.split(factor=0.25)
    split.label(text="Texture Cache")
    split.row().operator("hunyuan3d.clear_cache", text="Clear", icon="TRASH")
    split = layout.split(factor=0.25)
    split.label(text="Worker Logs")
    row = split.row()
    folder = preferences.log_folder()
    row.enabled = os.path.isdir(folder)  # there from the first start of a worker on
    row.operator("wm.path_open", text="Open Folder", icon="TEXT").filepath = folder


# --- jobs -----------------------------------------------------------------------------------------


def _draw_progress(layout: bpy.types.UILayout, job: Job, short: bool = False) -> None:
    row = layout.row(align=True)
    factor = job.step / job.total if job.total else 0.0
    row.progress(text=progress_text(job, short), factor=min(factor, 1.0), type="BAR")
    stop = row.row(align=True)
    stop.enabled = job.state is not State.CANCELLING
    stop.operator("hunyuan3d.cancel", text="", icon="X").number = job.number


def progress_text(job: Job, short: bool = False) -> str:
    """One line; long stages count bytes. `short`: for a cell of the table."""
    if job.state is not State.RUNNING:
        return _(STATES[job.state])
    words = [shown(sentence(job.stage)) or _("Running")]
    if job.total > 1_000_000:  # bytes
        share = f"{100 * job.step // job.total} %"
        total = gigabytes(job.total)
        so_far = _("{done} of {total}").format(done=f"{job.step / 1e9:.2f}", total=total)
        words = [share] if short else [*words, so_far]
        if job.eta is not None and job.eta >= 1:
            left = f"{job.eta:.0f} s" if job.eta < 100 else f"{job.eta / 60:.0f} min"
            words.append(_("{time} left").format(time=left))
    return " · ".join(words)


def _draw_job(
    layout: bpy.types.UILayout, job: Job | None, width: float, named: bool = False
) -> None:
    """How a job that has ended went; `named`: with what it was about, if it failed."""
    if job is None or not job.ended:
        return
    for level, text in job.reports:
        icon = "CHECKMARK" if job.state is State.DONE else "X"
        if named and job.state is State.FAILED:
            text = f"{job.title}: {shown(text)}"
        draw_text(layout, text, width, "ERROR" if level == "ERROR" else icon)


def register() -> None:
    bpy.utils.register_class(HY3D_AP_preferences)


def unregister() -> None:
    bpy.utils.unregister_class(HY3D_AP_preferences)
