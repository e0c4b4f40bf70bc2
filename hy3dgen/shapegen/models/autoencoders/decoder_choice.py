# SPDX-License-Identifier: Apache-2.0
"""Which volume decoder a call gets: the one it names, else the VAE's own or what is better."""

from copy import copy
from typing import Any

from ...cost_model import sparse_from
from .coarse_to_fine import CoarseToFineVolumeDecoder
from .flash_vdm import FlashVDMVolumeDecoding
from .hierarchical import HierarchicalVolumeDecoding
from .surface_extractors import takes_sparse_grids
from .volume_decoders import VanillaVolumeDecoder

VOLUME_DECODERS = ("dense", "coarse_to_fine", "flashvdm")
_COARSE_TO_FINE_FROM = 64


def pick_volume_decoder(
    own: Any,
    extractor: Any,
    octree_resolution: int,
    name: str | None = None,
    compatibility: bool = False,
    device: str = "cpu",
) -> Any:
    """The decoder for a call.

    Parameters
    ----------
    own : the VAE's
    extractor : what will get the grids
    name : of `VOLUME_DECODERS`; None: `own`, or if that is the dense default, coarse-to-fine from a
        resolution of 64 on; without full grids from
        `cost_model.sparse_from` on, as 'flashvdm' is
    compatibility : the published decoders' grids
    device : where the grids will be
    """
    sparse = takes_sparse_grids(extractor) and not compatibility
    first_sparse = sparse_from(device) if sparse else None
    if name == "dense":
        return VanillaVolumeDecoder()
    if name == "flashvdm":
        return FlashVDMVolumeDecoding("mean", compatibility, first_sparse)
    if name is None and isinstance(own, FlashVDMVolumeDecoding):
        own = copy(own)
        own.compatibility |= compatibility
        own.sparse_from = None if own.compatibility else first_sparse
        return own
    if compatibility:
        if name == "coarse_to_fine" or isinstance(own, HierarchicalVolumeDecoding):
            return HierarchicalVolumeDecoding(compatibility=True)
        return own
    fine = type(own) is VanillaVolumeDecoder and octree_resolution >= _COARSE_TO_FINE_FROM
    if name == "coarse_to_fine" or fine:
        return CoarseToFineVolumeDecoder(first_sparse)
    return own
