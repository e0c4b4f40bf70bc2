// SPDX-License-Identifier: Apache-2.0
// Mends the few faces of a reduced mesh that look the wrong way. See unfold.cpp.
#ifndef HY3D_UNFOLD_H
#define HY3D_UNFOLD_H

#include "refit.h"

namespace hy3d {

// Cosines between a face's normal and `mesh.ups` at its corners, below which it may be turned over. The
// refit leaves faces leaning across sharp edges that are right as they are.
constexpr double MAY_BE_TURNED = 0.2, TURNED_BY_REFIT = -0.4;

// Changes faces below that cosine, and what is beside them, so that none faces away, where that is
// possible. The numbers of vertices and faces stay.
[[nodiscard]] Status unfold(ReducedMesh& mesh, double least);

}  // namespace hy3d

#endif
