# SPDX-License-Identifier: Apache-2.0
"""Mesh work on tensors: surfaces from fields and face reduction, on any device torch knows.

Everything here is plain torch and gives the same result on a CPU; where Triton and a CUDA device
are at hand, a few inner functions have a fused twin (see `triton_kernels`).
"""
