# SPDX-License-Identifier: Apache-2.0
"""The mesh kernel: C++ behind a C ABI (`hy3d_mesh.h`), and its loader."""
