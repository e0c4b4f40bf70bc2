// SPDX-License-Identifier: Apache-2.0
// Moves faces from where they do little to where they do much. See exchange.cpp.
#ifndef HY3D_EXCHANGE_H
#define HY3D_EXCHANGE_H

#include "systems.h"

namespace hy3d {

// Edges are collapsed where that costs least and split where that helps most, by the distances of
// the samples, as many of the one as of the other and as long as it pays: the numbers of vertices and
// faces stay. Sets changed[v] for vertices that moved. The samples are grouped before and after;
// `systems` are those of the faces before.
[[nodiscard]] Status exchange_faces(ReducedMesh& mesh, Samples& samples,
                                    const Array<System>& systems, Array<uint8_t>& changed,
                                    int32_t threads, Progress& progress, double done);

}  // namespace hy3d

#endif
