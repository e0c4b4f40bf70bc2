# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators, one a file; `job_operator` is what the long-running ones share."""
