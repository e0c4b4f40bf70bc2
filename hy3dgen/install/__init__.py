# SPDX-License-Identifier: Apache-2.0
"""Set-up on the user's machine: an environment with PyTorch, and the published models.

Standard library only, because it runs under Blender's own Python: `environment` makes and removes
a virtual environment, `python_check` says what a Python lacks, `models` knows the published models
and where they lie, `download` fetches one. `tasks` puts all of it behind the worker's protocol.
"""
