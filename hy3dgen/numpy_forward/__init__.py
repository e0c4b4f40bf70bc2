# SPDX-License-Identifier: Apache-2.0
"""The bundled small model in numpy alone, for Pythons without torch such as Blender's own.

The same weights and the same arithmetic as `hy3dgen.shapegen`, for inference in float32 on a CPU.
"""
