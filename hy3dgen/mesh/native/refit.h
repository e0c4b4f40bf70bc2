// SPDX-License-Identifier: Apache-2.0
// Moves the vertices of a reduced mesh closer to the surface it came from. See refit.cpp.
#ifndef HY3D_REFIT_H
#define HY3D_REFIT_H

#include "collapse.h"

namespace hy3d {

// `source_positions` and `source_faces` are the mesh before collapse_edges; `mesh` the one after.
[[nodiscard]] Status refit_vertices(WorkMesh& mesh, const Array<Vec3>& source_positions,
                                    const Array<Face>& source_faces, Progress& progress);

}  // namespace hy3d

#endif
