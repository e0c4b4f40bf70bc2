# SPDX-License-Identifier: GPL-3.0-or-later
"""What `build.py` is made of: environments, native kernel, wheels, extension. Standard library."""
