# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for how far a job is, in the artist's language."""

from bpy.app.translations import pgettext_iface as _

from .error_words import shown
from .job import Job, State, sentence

# What the worker calls its stages -> what the artist reads.
STAGES = {
    "prepare picture": "Preparing the picture",
    "load model": "Loading the model",
    "measure": "Measuring this computer",
    "condition": "Looking at the picture",
    "denoise": "Finding the shape",
    "decode": "Building the surface",
    "extract": "Making triangles",
    "clean": "Cleaning up",
    "reduce": "Reducing faces",
    "unwrap": "Unwrapping",
    "find view": "Finding the view",
    "transfer": "Bringing the texture to all faces",
    "lay picture on": "Laying the picture on",
    "delight": "Taking the light away",
    "draw views": "Drawing the views",
    "paint views": "Painting the views",
    "bake": "Baking",
    "fill": "Filling in the rest",
}
STATES = {
    State.READING: "Reading the mesh",
    State.QUEUED: "Waiting",
    State.STARTING: "Starting the worker",
    State.SENDING: "Handing over",
    State.RUNNING: "Running",
    State.CANCELLING: "Cancelling",
    State.READY: "Ready",
    State.WRITING: "Writing the mesh",
    State.DONE: "Done",
    State.FAILED: "Failed",
    State.CANCELLED: "Cancelled",
}


def describe(job: Job) -> str:
    """One short line for a progress bar."""
    if job.state is State.READING:
        return f"{_(STATES[job.state])} {100 * job.fraction:.0f} %"
    if job.state is not State.RUNNING:
        return _(STATES[job.state])
    stage = STAGES.get(job.stage)
    words = [_(stage) if stage else shown(sentence(job.stage)) or _("Running")]
    if job.total >= 100:
        words.append(f"{100 * job.step // job.total} %")
    elif job.total > 1:
        words.append(f"{job.step}/{job.total}")
    if len(job.parts) > 1:
        words.append(_("of {name}").format(name=job.parts[len(job.results)].name))
    return " ".join(words)


def times(job: Job, left: float | None) -> str:
    """Elapsed time, and the time left as far as it is known."""
    text = _("{time} so far").format(time=duration(job.elapsed))
    if left is not None:
        return f"{text} · " + _("about {time} left").format(time=duration(max(left, 1)))
    if job.state is State.RUNNING and job.eta is not None and job.eta >= 1:
        return f"{text} · " + _("{time} left in this step").format(time=duration(job.eta))
    return text


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min"
