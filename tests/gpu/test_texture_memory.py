# SPDX-License-Identifier: Apache-2.0
"""Networks of true size paint within 10 GB of a GPU, and within 6 GB in the mode for little."""

import pytest
import torch

from benchmarks.random_texture_models import make
from benchmarks.stage_watch import capped, free
from benchmarks.texture_stages import Scene, run_whole

pytestmark = [pytest.mark.gpu, pytest.mark.slow]


@pytest.mark.parametrize(("low_memory", "gigabytes"), [(False, 10), (True, 6)])
def test_within_a_capped_allocator(low_memory, gigabytes):
    device = torch.device("cuda")
    free()
    models = make(device, torch.float16)
    del models.text
    with capped(device, gigabytes):
        stages = run_whole(
            Scene(False), models, "base", device, {"delight": 4, "base": 4}, low_memory
        )
    del models
    free()
    assert "error" not in stages["everything"], stages["everything"]["error"]
    print(f"{stages['everything']['reserved_mb']:,} MB reserved")
    assert stages["everything"]["reserved_mb"] << 20 <= gigabytes * 10**9
