# SPDX-License-Identifier: Apache-2.0
"""Image to shape and mesh processing; an independent implementation of the Hunyuan3D-2 pipelines.

Importing this package loads nothing heavy: every subpackage exports lazily.
"""

__version__ = "0.1.0"
