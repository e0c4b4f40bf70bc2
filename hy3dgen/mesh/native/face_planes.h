// SPDX-License-Identifier: Apache-2.0
// The planes of the faces that quadrics hold at first. See face_planes.cpp.
#ifndef HY3D_FACE_PLANES_H
#define HY3D_FACE_PLANES_H

#include "progress.h"
#include "surface.h"

namespace hy3d {

// What becomes of noise in the faces' normals.
enum class Noise {
    KEPT,     // nothing: a preview has no time
    DAMPED,   // where few faces go, those that are left can follow some of it
    AVERAGED  // where most go, it is in the way
};

// Adds the planes around to the quadrics of the vertices, and sets where up is.
[[nodiscard]] Status add_face_planes(Surface& surface, Noise noise, int32_t threads,
                                     Progress& progress);

}  // namespace hy3d

#endif
