# SPDX-License-Identifier: Apache-2.0
"""The networks of Hunyuan3D-Paint and their checkpoint folders, in the layout of diffusers."""
