# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender that does what it is told: operators of the extension, one for each line it reads.

    PYTHON_WITH_BPY set_up_jobs.py --home FOLDER --memory FOLDER --zip ZIP

A line of standard input is JSON: the operator's name and its settings. Its answer is a line of
standard output that begins with "answer ": "done", or the operator's words.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import trial_client as client


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("home", "memory"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--zip", required=True)
    options = parser.parse_args()
    client.start(client.Places(options.home, options.memory), options.zip)
    import bpy

    bpy.context.preferences.system.use_online_access = True
    say("ready")
    for line in sys.stdin:
        name, settings = json.loads(line)
        if name == "python":
            bpy.context.preferences.addons[client.EXTENSION].preferences.python = settings
            say("done")
        else:
            say(run(getattr(bpy.ops.hunyuan3d, name), settings))
    client.close_workers()


def run(operator, settings: dict) -> str:
    try:
        operator(**settings)
    except RuntimeError as error:
        return str(error).strip() or "an error without words"
    return "done"


def say(words: str) -> None:
    sys.stdout.write(f"\nanswer {words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
