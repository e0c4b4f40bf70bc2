# SPDX-License-Identifier: Apache-2.0
"""The commands of `hy3dgen` but for `reduce`; each module has `add_parser` and `run`."""
