// SPDX-License-Identifier: Apache-2.0
// Edge collapse by quadric error. See collapse.cpp.
#ifndef HY3D_COLLAPSE_H
#define HY3D_COLLAPSE_H

#include "geometry.h"
#include "progress.h"
#include "topology.h"

namespace hy3d {

// What a vertex may do, least free last.
enum Kind : uint8_t {
    INTERIOR = 0,  // every edge around it has two faces
    CURVE = 1,     // on a border, or where three or more sheets meet; moves along that curve only
    CORNER = 2,    // where such curves end or cross; stays where it is
};

// A mesh in the unit box, with doubles for positions.
struct WorkMesh {
    Array<Vec3> positions;
    Array<Face> faces;
    Array<int32_t> source;       // per vertex, the source vertex at whose position it is, or -1
    Array<uint8_t> kind;         // per vertex, a Kind
    Array<int32_t> merged_into;  // per source vertex, the vertex it went into (itself: still there)
};

[[nodiscard]] Status collapse_edges(WorkMesh& mesh, size_t target, Progress& progress);

}  // namespace hy3d

#endif
