// SPDX-License-Identifier: Apache-2.0
// What merging two vertices costs, and where the merged vertex stands.
#ifndef HY3D_PRICING_H
#define HY3D_PRICING_H

#include "surface.h"

namespace hy3d {

// Pull towards the edge's middle, relative to the quadric's trace: decides along directions in
// which the surface is flat.
constexpr double RIDGE = 1e-6;
// Cost of an edge's length, relative to the trace: on exactly flat parts short edges go first.
constexpr double LENGTH_COST = 1e-7;
// On borders the trace holds the planes that stand on them besides the area; this makes up for it,
// and more: a border is seen from farther than a surface.
constexpr double BORDER_COST = 12.0;

inline double price(const Vertex& u, const Vertex& v, Vec3& at) {
    Quadric sum = u.quadric;
    sum.add(v.quadric);
    const Vec3 middle = 0.5 * (u.position + v.position);
    const Vec3 half = v.position - middle;
    const double half2 = squared(half), trace = sum.a.trace();
    // The cost around the middle: base + 2 slope.step + step.A.step
    const Vec3 slope = sum.a * middle + sum.b;
    const double base = dot(middle, slope + sum.b) + sum.c;
    const double along = 2 * dot(slope, half), bend = dot(half, sum.a * half);
    const double cost_u = base - along + bend, cost_v = base + along + bend;
    double cost;
    if (u.kind != v.kind) {
        at = u.kind > v.kind ? u.position : v.position;
        cost = u.kind > v.kind ? cost_u : cost_v;
    } else {
        Vec3 step = sum.a.solve(-1.0 * slope, RIDGE * trace + 1e-30);
        const double step2 = squared(step);
        if (step2 > 16 * half2) step = (4 * sqrt(half2 / step2)) * step;
        at = middle + step;
        cost = base + 2 * dot(slope, step) + dot(step, sum.a * step);
        // The ridge keeps the solution a little off sharp corners and edges; an end that lies on
        // them costs nothing at all.
        if (cost_u <= cost && cost_u <= cost_v) {
            at = u.position;
            cost = cost_u;
        } else if (cost_v <= cost) {
            at = v.position;
            cost = cost_v;
        }
    }
    // Squared distance times area, as it comes, lets large areas stray too little and small ones too
    // far for the largest errors; over the area's root those fall by a tenth, the mean not at all
    // (measured).
    const double root = sqrt(trace);
    const double total = (cost > 0 ? cost : 0) + 4 * LENGTH_COST * trace * half2;
    const double dearer = u.irregular || v.irregular ? BORDER_COST : 1;
    return root > 0 ? dearer * total / root : 0;
}

}  // namespace hy3d

#endif
