// SPDX-License-Identifier: Apache-2.0
// Where on the source the corners and faces of a reduced mesh take their values. See
// correspondence.cpp.
#ifndef HY3D_CORRESPONDENCE_H
#define HY3D_CORRESPONDENCE_H

#include "curves.h"
#include "refit.h"

namespace hy3d {

// A reduced vertex as it is seen from one side of the curves through it.
struct Wedge {
    int32_t vertex;
    int32_t face;      // of the source
    float weights[3];  // of that face's corners
};

struct Correspondence {
    Array<int32_t> corners;  // per corner of the reduced mesh, its wedge
    Array<Wedge> wedges;
    Array<int32_t> faces;    // per reduced face, the source face nearest to its middle
};

// `mesh` has its origins and curves, `across` is as find_curves left it. The same for any number of
// threads.
[[nodiscard]] Status find_correspondence(const ReducedMesh& mesh, const Source& source,
                                         const Across& across, int32_t threads,
                                         Progress& progress, Correspondence& found);

}  // namespace hy3d

#endif
