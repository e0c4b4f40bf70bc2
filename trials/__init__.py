# SPDX-License-Identifier: Apache-2.0
"""Trials: what the product is put through until it breaks, as commands with figures.

`tests/trials` runs a short form of each. Nothing in the product imports this.
"""
