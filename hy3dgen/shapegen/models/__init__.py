# SPDX-License-Identifier: Apache-2.0
"""The networks of the shape pipeline. Exports are lazy."""

from ..._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "CLIPImageEncoder": ".conditioner",
        "DinoImageEncoder": ".conditioner",
        "DinoImageEncoderMV": ".conditioner",
        "DualImageEncoder": ".conditioner",
        "Hunyuan3DDiT": ".denoisers.hunyuan3ddit",
        "ShapeVAE": ".autoencoders.model",
        "SingleImageEncoder": ".conditioner",
    },
)
