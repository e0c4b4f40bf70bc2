# SPDX-License-Identifier: Apache-2.0
"""Image to 3D shape: networks, schedulers, decoding and the pipeline. Exports are lazy."""
