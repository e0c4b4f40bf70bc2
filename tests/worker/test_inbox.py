# SPDX-License-Identifier: Apache-2.0
"""Events that wait for whoever collects them."""

import numpy as np

from hy3dgen.worker.inbox import Inbox
from hy3dgen.worker.protocol import Preview, Progress


def test_only_previews_of_the_same_kind_replace_each_other():
    inbox = Inbox()
    inbox.register(1, False, lambda: None)
    mesh, view = {"vertices": np.zeros(3), "faces": np.zeros(3)}, {"views": np.zeros(3)}
    for arrays in (mesh, view, dict(mesh), mesh):
        inbox.deliver(Preview(1, arrays))
    for step in range(3):
        inbox.deliver(Progress(1, "denoise", step, 3, None))
    kept = inbox.poll()
    assert [getattr(event, "arrays", None) for event in kept] == [view, mesh, None]
    assert kept[-1].step == 2 and inbox.poll() == []
