# SPDX-License-Identifier: Apache-2.0
"""Networks that predict a latent's velocity. Exports are lazy."""

from ...._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "HunYuanDiTPlain": ".hunyuandit",
        "Hunyuan3DDiT": ".hunyuan3ddit",
    },
)
