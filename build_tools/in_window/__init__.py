# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that run inside a Blender with a window; `build_tools.window` starts it."""
