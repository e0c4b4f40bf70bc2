// SPDX-License-Identifier: Apache-2.0
// Curves on a surface that a reduction keeps: where attributes jump, where labels meet, and edges
// that the caller marks. See curves.cpp.
#ifndef HY3D_CURVES_H
#define HY3D_CURVES_H

#include "surface.h"

namespace hy3d {

// For every edge of the input faces (3 x face + 0, 1 or 2), the same edge in the face across it,
// which runs the other way; -1 on borders, curves and where other than two faces meet.
using Across = Array<int32_t>;

// Finds the curves of `request` on a surface that was loaded with its origins: fills
// `surface.curves` and `across`, sets the kinds of the vertices on curves, and adds the planes that
// hold them. `scattered` tells what `request` has nearly everywhere, by the bits of hy3d_curves:
// that makes no curves.
[[nodiscard]] Status find_curves(Surface& surface, const hy3d_curves& request, size_t face_count,
                                 Across& across, Progress& progress,
                                 uint32_t& scattered);

}  // namespace hy3d

#endif
