# SPDX-License-Identifier: Apache-2.0
"""The settings of the texture pipeline under their published names."""

import os

from ..errors import ConfigKeyError

DELIGHT_FOLDER = "hunyuan3d-delight-v2-0"
BASE_FOLDER, TURBO_FOLDER = "hunyuan3d-paint-v2-0", "hunyuan3d-paint-v2-0-turbo"


class Hunyuan3DTexGenConfig:
    """The documented settings of the texture pipeline.

    `device` "cuda" means a CUDA GPU if there is one, and else what there is.
    """

    def __init__(
        self,
        light_remover_ckpt_path: str | os.PathLike[str],
        multiview_ckpt_path: str | os.PathLike[str],
        subfolder_name: str = TURBO_FOLDER,
    ) -> None:
        self.device = "cuda"
        self.light_remover_ckpt_path = light_remover_ckpt_path
        self.multiview_ckpt_path = multiview_ckpt_path
        self.candidate_camera_azims = [0, 90, 180, 270, 0, 180]
        self.candidate_camera_elevs = [0, 0, 0, 0, 90, -90]
        self.candidate_view_weights = [1, 0.1, 0.5, 0.1, 0.05, 0.05]
        self.render_size = 2048
        self.texture_size = 2048
        self.bake_exp = 4
        self.merge_method = "fast"
        self.pipe_dict = {BASE_FOLDER: "hunyuanpaint", TURBO_FOLDER: "hunyuanpaint-turbo"}
        if subfolder_name not in self.pipe_dict:
            raise ConfigKeyError(
                f"there is no texture model '{subfolder_name}'; known are "
                f"{' and '.join(self.pipe_dict)}"
            )
        self.pipe_name = self.pipe_dict[subfolder_name]
