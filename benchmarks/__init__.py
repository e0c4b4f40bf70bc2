# SPDX-License-Identifier: Apache-2.0
"""Measurements that can be run again; nothing in the product imports them."""
