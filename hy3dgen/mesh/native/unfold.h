// SPDX-License-Identifier: Apache-2.0
// Mends the few faces of a reduced mesh that look the wrong way. See unfold.cpp.
#ifndef HY3D_UNFOLD_H
#define HY3D_UNFOLD_H

#include "refit.h"

namespace hy3d {

// Changes faces that face away from `mesh.ups`, and what is beside them, so that none does, where
// that is possible. The numbers of vertices and faces stay.
[[nodiscard]] Status unfold(ReducedMesh& mesh);

}  // namespace hy3d

#endif
