# SPDX-License-Identifier: Apache-2.0
"""`hy3dgen cache`: what is kept for a second texture or start, and how to be rid of it."""

import argparse
from typing import Any

from hy3dgen import compiled_code
from hy3dgen.commands.terminal import say, tell
from hy3dgen.errors import SetupError
from hy3dgen.install.places import compiled_folder
from hy3dgen.texgen.stage_cache import MAX_BYTES, clear_everywhere


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "cache",
        help="clear what is kept for a second texture or start",
        description="Programs that paint keep unwraps, views and cut-outs in memory for a second "
        "texture of the same mesh or picture, until they end. Nothing of it is on disk. Compiled "
        "kernels of an NVIDIA GPU are kept on disk for the next start.",
    )
    parser.add_argument(
        "--clear", action="store_true", required=True,
        help="let every running program of yours forget it, Blender's worker too, and remove "
        "compiled kernels",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="a line of JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    clear_everywhere()
    try:
        compiled = compiled_code.clear()
    except OSError as error:
        raise SetupError(
            f"the compiled kernels in {compiled_folder()} could not all be removed "
            f"({error.strerror or error}); end the programs that use them, or remove that folder"
        ) from error
    if options.json:
        tell(
            {
                "cleared": True, "most_bytes_of_a_program": MAX_BYTES,
                "bytes_of_compiled_kernels": compiled,
            }
        )  # fmt: skip
    else:
        say(
            "cleared: each running program forgets what it kept before it is used or looked at; "
            f"{compiled / 1e6:.1f} MB of compiled kernels are gone"
        )
    return 0
