// SPDX-License-Identifier: Apache-2.0
// Edge collapse by quadric error. See collapse.cpp.
#ifndef HY3D_COLLAPSE_H
#define HY3D_COLLAPSE_H

#include "progress.h"
#include "surface.h"

namespace hy3d {

// How carefully edges are taken in the order of their prices, and for what.
enum class Pace { CAREFUL, HASTY, BEFORE_REFIT };

// Reduces to at most `target` faces if the surface's topology allows it. The result is the same for
// any number of threads.
[[nodiscard]] Status collapse_edges(Surface& surface, size_t target, Pace pace, int32_t threads,
                                    Progress& progress);

}  // namespace hy3d

#endif
