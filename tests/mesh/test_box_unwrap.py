# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from known_meshes import *  # noqa: F403

from hy3dgen.errors import Cancelled, InvalidMeshError
from hy3dgen.mesh import TriangleMesh
from hy3dgen.mesh.box_unwrap import box_unwrap
from hy3dgen.mesh.chart_packing import pack
