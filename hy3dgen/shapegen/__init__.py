# SPDX-License-Identifier: Apache-2.0
"""Image to 3D shape: networks, schedulers, decoding and the pipeline. Exports are lazy."""

from .._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "DEFAULT_IMAGEPROCESSOR": ".preprocessors",
        "DegenerateFaceRemover": ".postprocessors",
        "FaceReducer": ".postprocessors",
        "FloaterRemover": ".postprocessors",
        "Hunyuan3DDiTFlowMatchingPipeline": ".pipelines",
        "Hunyuan3DDiTPipeline": ".pipelines",
        "IMAGE_PROCESSORS": ".preprocessors",
        "ImageProcessorV2": ".preprocessors",
        "MeshSimplifier": ".postprocessors",
    },
)
