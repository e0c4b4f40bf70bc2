# SPDX-License-Identifier: Apache-2.0
"""Every error this package raises on purpose.

::

    Hy3DError
    ├── InputError (ValueError)         something a caller or a user gave
    │   ├── InvalidImageError           a picture that cannot be used
    │   │   ├── ImageNotFoundError (FileNotFoundError)
    │   │   └── UnknownViewError (KeyError)
    │   ├── InvalidMeshError            vertices or faces that cannot be used
    │   └── InvalidSettingError         a number or name out of range
    │       └── MissingViewsError (TypeError)
    ├── CheckpointError                 model folders, configs, weights
    │   ├── CheckpointNotFoundError (FileNotFoundError)
    │   └── CheckpointMismatchError     keys, shapes or config do not fit the network
    │       └── ConfigKeyError (KeyError)
    ├── SurfaceExtractionError          a field without a usable surface
    ├── MissingDependencyError (ImportError)
    ├── SetupError                      an environment or a download, on this machine
    ├── Cancelled                       the caller asked to stop; nothing is wrong
    └── WorkerError                     the worker process or the channel to it
        ├── WorkerStartError            it did not start, or is of another version
        ├── WorkerDiedError             it ended in the middle of a request
        ├── ProtocolError               a message outside the protocol
        └── TaskFailedError             the worker reported an error; `.kind` names its type

A message says what was found, what was wanted and what to do, in one sentence that can be shown to
an artist as it is.
"""


class Hy3DError(Exception):
    """Base of every error raised on purpose."""


class InputError(Hy3DError, ValueError):
    """Something a caller or a user gave cannot be used."""


class InvalidImageError(InputError):
    """A picture is missing, unreadable, too large, or shows nothing."""


class ImageNotFoundError(InvalidImageError, FileNotFoundError):
    """There is no picture file of that name."""


class UnknownViewError(InvalidImageError, KeyError):
    """A view of an object has a name that no model knows."""

    __str__ = Exception.__str__  # a KeyError puts its message in quotes


class InvalidMeshError(InputError):
    """Vertices or faces are empty, not finite, or inconsistent."""


class InvalidSettingError(InputError):
    """A number or a name is outside what is allowed."""


class MissingViewsError(InvalidSettingError, TypeError):
    """How many views a condition stands for was not given."""


class CheckpointError(Hy3DError):
    """A model folder, config or weight file cannot be used."""


class CheckpointNotFoundError(CheckpointError, FileNotFoundError):
    """A model folder or one of its files does not exist."""


class CheckpointMismatchError(CheckpointError):
    """Weights do not fit the network that the config describes.

    Attributes
    ----------
    missing, unexpected : names of all weights that are not there, and of all that are too many; the
        message has the first ones
    """

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()


class ConfigKeyError(CheckpointMismatchError, KeyError):
    """A config lacks a key."""

    __str__ = Exception.__str__  # a KeyError puts its message in quotes


class SurfaceExtractionError(Hy3DError):
    """The decoded field has no surface that could be extracted."""


class MissingDependencyError(Hy3DError, ImportError):
    """A library that this function needs is not installed."""


class SetupError(Hy3DError):
    """An environment could not be made or used, or a model could not be fetched."""


class Cancelled(Hy3DError):
    """The caller asked to stop. Raised from progress callbacks to unwind cleanly."""


class WorkerError(Hy3DError):
    """The worker process, or the channel to it."""


class WorkerStartError(WorkerError):
    """The worker did not start, or speaks another version."""


class WorkerDiedError(WorkerError):
    """The worker ended while a request was open."""


class ProtocolError(WorkerError):
    """A message outside the protocol arrived."""


class TaskFailedError(WorkerError):
    """The worker reported that a task failed; `kind` is the error type's name there."""

    def __init__(self, message: str, kind: str = "Hy3DError") -> None:
        super().__init__(message)
        self.kind = kind
