# SPDX-License-Identifier: Apache-2.0
"""All that made the bundled small model: data, training loops, evaluation, export.

::

    python -m training.run --out FOLDER          trains everything (a CUDA device, about 25 minutes)
    python -m training.evaluate --seed S --count N --json
    python -m training.contact_sheet --seed S --count N --blender-python PYTHON --out FILE.png

Nothing in `hy3dgen` or `hunyuan3d_blender` imports this package.
"""
