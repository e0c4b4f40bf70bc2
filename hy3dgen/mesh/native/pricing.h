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

// How much is done for the largest errors: they are shorter at the expense of the others, which a refit
// makes up for.
enum class Tail { USUAL, SHORTER };

// Two vertices to be merged.
struct Joint {
    Quadric sum;
    Vec3 middle, half;  // from there to the second
    double pinned;      // -1: stays at the first, 1: at the second, 0: is free
    double dearer;

    Joint() = default;
    Joint(const Vertex& u, const Vertex& v) : sum(u.quadric) {
        sum.add(v.quadric);
        middle = 0.5 * (u.position + v.position);
        half = v.position - middle;
        pinned = u.kind == v.kind ? 0 : u.kind > v.kind ? -1 : 1;
        dearer = u.irregular || v.irregular ? BORDER_COST : 1;
    }
};

// The price; `step` leads from the middle to the best place, unless that is an end: then `end` is -1 or
// 1, else 0. Without branches, so that a loop over many joints can take several at once.
inline __attribute__((always_inline)) double price(const Joint& joint, Tail tail,
                                                           Vec3& step, double& end) {
    const Sym3& a = joint.sum.a;
    const Vec3 half = joint.half;
    const double half2 = squared(half), trace = a.trace();
    // The cost around the middle: base + 2 slope.step + step.A.step
    const Vec3 slope = a * joint.middle + joint.sum.b;
    const double base = dot(joint.middle, slope + joint.sum.b) + joint.sum.c;
    const double along = 2 * dot(slope, half), bend = dot(half, a * half);
    const double cost_u = base - along + bend, cost_v = base + along + bend;
    step = a.solve(-1.0 * slope, RIDGE * trace + 1e-30);
    const double step2 = squared(step), most2 = 16 * half2;
    const double shorter = step2 > most2 ? sqrt(most2 / step2) : 1;
    step = shorter * step;
    double cost = base + 2 * dot(slope, step) + dot(step, a * step);
    // The ridge keeps the solution a little off sharp corners and edges; an end that lies on
    // them costs nothing at all.
    const bool at_u = joint.pinned < 0 || (joint.pinned == 0 && cost_u <= cost && cost_u <= cost_v);
    const bool at_v = joint.pinned > 0 || (joint.pinned == 0 && !at_u && cost_v <= cost);
    end = at_u ? -1 : at_v ? 1 : 0;
    cost = at_u ? cost_u : at_v ? cost_v : cost;
    // Squared distance times area, as it comes, lets large areas stray too little and small ones too
    // far for the largest errors; over the area's root those fall by a tenth, the mean not at all, and over
    // its power of 3/4, those after a refit by up to a tenth again, the mean by up to 3 % (measured).
    double root = sqrt(trace);
    if (tail == Tail::SHORTER) root *= sqrt(root);
    const double total = (cost > 0 ? cost : 0) + 4 * LENGTH_COST * trace * half2;
    return root > 0 ? joint.dearer * total / root : 0;
}

inline double price(const Vertex& u, const Vertex& v, Tail tail, Vec3& at) {
    const Joint joint(u, v);
    Vec3 step;
    double end;
    const double cost = price(joint, tail, step, end);
    at = end < 0 ? u.position : end > 0 ? v.position : joint.middle + step;
    return cost;
}

// Joints side by side in memory.
struct JointBatch {
    static constexpr size_t SIZE = 64;

    void set(size_t i, const Vertex& u, const Vertex& v) {
        const Joint joint(u, v);
        const Sym3& a = joint.sum.a;
        const double values[COUNT] = {
            a.xx, a.xy, a.xz, a.yy, a.yz, a.zz, joint.sum.b.x, joint.sum.b.y, joint.sum.b.z, joint.sum.c,
            joint.middle.x, joint.middle.y, joint.middle.z, joint.half.x, joint.half.y, joint.half.z,
            joint.pinned, joint.dearer};
        for (size_t k = 0; k < COUNT; k++) values_[k][i] = values[k];
    }

    // Prices the first `count` of them.
    void price(float costs[SIZE], size_t count, Tail tail);

private:
    static constexpr size_t COUNT = 18;
    inline __attribute__((always_inline)) void price_all(float costs[SIZE], size_t count, Tail tail);
#if defined(__x86_64__)
    __attribute__((target("avx2"))) void price_wide(float costs[SIZE], size_t count, Tail tail);
#endif
    double values_[COUNT][SIZE] = {};
};

}  // namespace hy3d

#endif
