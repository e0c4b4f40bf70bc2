// SPDX-License-Identifier: Apache-2.0
// Brings a reduced mesh closer to the surface it came from. See refit.cpp.
#ifndef HY3D_REFIT_H
#define HY3D_REFIT_H

#include "progress.h"
#include "surface.h"

namespace hy3d {

struct ReducedMesh {
    Array<Vec3> positions;   // in the unit box
    Array<Face> faces;
    Array<int32_t> source;   // per vertex, the input vertex at whose position it is, or -1
    Array<uint8_t> kind;     // per vertex, a Kind
    Array<int32_t> went_to;  // per input vertex, the vertex here that it went into, or -1
    Array<int32_t> origin;   // as in Surface, with the faces' new numbers
    Array<int32_t> curves;   // as in Surface
    Array<Vec3> ups;         // per vertex, along the source's normals around, of any length
};

// The arrays that came in, checked.
struct Source {
    const float* vertices;
    size_t vertex_count;
    const int32_t* faces;
    size_t face_count;
    Box box;

    Vec3 position(int32_t v) const { return box.to_unit(vertices + 3 * static_cast<size_t>(v)); }
};

// Moves vertices and flips edges where that lowers the distance; the same for any number of threads.
[[nodiscard]] Status refit(ReducedMesh& mesh, const Source& source, int32_t threads,
                           Progress& progress);

}  // namespace hy3d

#endif
