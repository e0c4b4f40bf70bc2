# SPDX-License-Identifier: Apache-2.0
"""`python -m hy3dgen`: the command line."""

import sys

from hy3dgen.cli import main

if __name__ == "__main__":
    sys.exit(main())
