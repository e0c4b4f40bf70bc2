# SPDX-License-Identifier: Apache-2.0
"""The worker process: generation and mesh work outside Blender, behind a small closed protocol.

`client` starts a worker and talks to it, `server` is the other end, `tasks` is what it can do.
"""

from hy3dgen._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "WorkerClient": "hy3dgen.worker.client",
        "worker_command": "hy3dgen.worker.client",
        "Hello": "hy3dgen.worker.protocol",
        "Progress": "hy3dgen.worker.protocol",
        "Preview": "hy3dgen.worker.protocol",
        "Result": "hy3dgen.worker.protocol",
        "Failure": "hy3dgen.worker.protocol",
        "CancelledEvent": "hy3dgen.worker.protocol",
    },
)
