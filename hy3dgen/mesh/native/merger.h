// SPDX-License-Identifier: Apache-2.0
// Whether two vertices may become one, where that one stands, and making it so.
//
// A collapse must
//   - be allowed for the kinds of its two ends (interior, curve, corner), so borders keep their
//     course and seams between sheets stay where they are;
//   - keep the surface's topology (the link condition), so parts, holes and handles stay;
//   - turn no face far, and make no sliver worse than those that go.
//
// Source: Dey, Edelsbrunner, Guha & Nekhayev, Topology preserving edge contraction, 1999 (link
// condition).
#ifndef HY3D_MERGER_H
#define HY3D_MERGER_H

#include "surface.h"

namespace hy3d {

// Keeping the volume: how stiff directions in which the surface is flat are taken to be, relative
// to the trace, and how far the vertex may move, relative to the edge's length, squared.
constexpr double VOLUME_RIDGE = 1e-3, VOLUME_REACH = 0.25;
constexpr uint32_t MAX_SHEETS = 8;
// area^2 over squared sum of squared edges, below which a face is thin enough to be turned by noise.
constexpr double SLIVER = 1e-3;
// Cosine between a face's normal and the input's around: no collapse may bring a face from above it, or
// from above 0, to below. What a face may turn in single steps could add up to a fold.
constexpr double MIN_UPRIGHT = 0.2;

struct Limits {
    double min_cosine;  // between a face's normals before and after
    double min_shape;   // area^2 over squared sum of squared edges; 0.083 if equilateral
    double upright;     // cosine between a face's normal and the input's around, from where on a face
                        // that is no sliver is good whatever it was: saves a look; above 1: none is
};

// Twice the area vector of a triangle, and its squared length over the squared sum of its squared
// edges (times four): a measure of shape that needs no square root.
struct Shape {
    Vec3 normal;
    double area2, edges2;
    Shape(Vec3 a, Vec3 b, Vec3 c) {
        const Vec3 ab = b - a, ac = c - a;
        normal = cross(ab, ac);
        area2 = squared(normal);
        const double sum = squared(ab) + squared(ac) + squared(c - b);
        edges2 = sum * sum;
    }
};

// Works on one pair of vertices after the other; reads and writes only what is around them.
class Merger {
public:
    size_t removed = 0;  // faces, since the start

    void start(Surface& surface, uint32_t stamp) {
        surface_ = &surface;
        stamp_ = stamp;
        removed = 0;
    }
    uint32_t stamp() const { return stamp_; }

    // The wings of both ends of the next pair; all else is asked of these.
    [[nodiscard]] bool gather_first(int32_t u) {
        first_ = u;
        return surface_->gather(u, around_u_);
    }
    [[nodiscard]] bool gather_second(int32_t v) {
        second_ = v;
        return surface_->gather(v, around_v_);
    }
    const Array<Wing>& around_first() const { return around_u_; }
    const Array<Wing>& around_second() const { return around_v_; }

    // True if merging u and v leaves a surface of the same topology, and an allowed pair of kinds.
    bool keeps_topology(int32_t u, int32_t v) {
        if (is_plain(u) && is_plain(v)) return common_neighbours() == 2 && !is_tetrahedron();
        const uint32_t near_u = ++stamp_, opposite = ++stamp_;
        int32_t opposites[MAX_SHEETS];
        uint32_t sheets = 0;
        bool along_curve = false;
        for (size_t k = 0; k < around_u_.size(); k++) {
            const Wing& wing = around_u_[k];
            if (mark(wing.a) != opposite) mark(wing.a) = near_u;
            if (mark(wing.b) != opposite) mark(wing.b) = near_u;
            if (wing.a != v && wing.b != v) continue;
            if (sheets == MAX_SHEETS) return false;
            const int32_t w = wing.a == v ? wing.b : wing.a;
            if (mark(w) == opposite) return false;  // the same face twice
            mark(w) = opposite;
            opposites[sheets++] = w;
            if (surface_->curves.size() == 0) continue;
            const int32_t second = Surface::following(wing.corner);
            const int32_t third = Surface::preceding(wing.corner);
            const bool at_u = surface_->on_curve(wing.a == v ? third : wing.corner);
            if (at_u && surface_->on_curve(second)) return false;  // two curves would fall together
            along_curve |= surface_->on_curve(wing.a == v ? wing.corner : third);
        }
        if (sheets == 0) return false;
        const bool both_held = kind(u) != INTERIOR && kind(v) != INTERIOR;
        if (both_held && sheets == 2 && !along_curve) return false;
        mark(u) = mark(v) = 0;

        // Link condition: whatever is a neighbour of both must span a face with both.
        bool cap_v = false;
        for (size_t k = 0; k < around_v_.size(); k++) {
            const uint32_t a = mark(around_v_[k].a), b = mark(around_v_[k].b);
            if (a == near_u || b == near_u) return false;
            cap_v |= a == opposite && b == opposite;
        }
        if (cap_v)  // faces of u and v over the same two opposites would fall together
            for (size_t k = 0; k < around_u_.size(); k++)
                if (mark(around_u_[k].a) == opposite && mark(around_u_[k].b) == opposite)
                    return false;
        if (both_held)
            for (uint32_t i = 0; i < sheets; i++)
                if (kind(opposites[i]) != INTERIOR &&
                    faces_with(around_u_, opposites[i]) != 2 &&
                    faces_with(around_v_, opposites[i]) != 2)
                    return false;  // two curves, or both ends of an ear, would fall together
        return true;
    }

    // Whether the vertex that u and v become may leave the planes around: not on borders.
    bool is_free(int32_t u, int32_t v) const {
        if (kind(u) == INTERIOR || kind(v) == INTERIOR) return kind(u) == kind(v);
        return !surface_->vertices[u].irregular && !surface_->vertices[v].irregular &&
               kind(u) == kind(v);
    }

    // `at` moved so that the volume below the faces around u and v stays; the quadric's optimum alone
    // lies outside of what is round. Source: Lindstrom & Turk, Fast and memory efficient polygonal
    // simplification, 1998, section 3.
    Vec3 keep_volume(int32_t u, int32_t v, Vec3 at) const {
        Vec3 normal = {0, 0, 0};
        double volume = 0;
        const Vec3 pu = position(u) - at, pv = position(v) - at;
        const auto add = [&](Vec3 apex, const Wing& wing) {
            const Vec3 a = position(wing.a) - at, b = position(wing.b) - at;
            normal = normal + cross(a - apex, b - apex);
            volume += dot(apex, cross(a, b));
        };
        for (size_t k = 0; k < around_u_.size(); k++) add(pu, around_u_[k]);
        for (size_t k = 0; k < around_v_.size(); k++)
            if (around_v_[k].a != u && around_v_[k].b != u) add(pv, around_v_[k]);
        Sym3 metric = surface_->vertices[u].quadric.a;
        metric.add(surface_->vertices[v].quadric.a);
        const Vec3 along = metric.solve(normal, VOLUME_RIDGE * metric.trace());
        const double slope = dot(normal, along);
        if (!(slope > 0)) return at;
        const Vec3 step = (volume / slope) * along;
        const double length2 = squared(pv - pu), step2 = squared(step);
        if (!(step2 > 1e-10 * length2) || step2 > VOLUME_REACH * length2) return at;
        return at + step;
    }

    // Merges v into u at `at`, unless that would spoil a face.
    bool merge_unless_spoilt(int32_t u, int32_t v, Vec3 at, const Limits& limits) {
        const Vec3 up = joint_up(u, v);
        if (spoils_faces(around_u_, u, v, at, up, limits) ||
            spoils_faces(around_v_, v, u, at, up, limits))
            return false;
        merge(u, v, at);
        return true;
    }

private:
    uint32_t& mark(int32_t v) { return surface_->vertices[v].mark; }
    Kind kind(int32_t v) const { return static_cast<Kind>(surface_->vertices[v].kind); }
    Vec3 position(int32_t v) const { return surface_->vertices[v].position; }

    // Whether around v, every edge has two faces and no rule holds it.
    bool is_plain(int32_t v) const {
        const Vertex& vertex = surface_->vertices[v];
        return vertex.kind == INTERIOR && !vertex.irregular;
    }
    // Of the two plain vertices whose wings were gathered.
    int common_neighbours() const {
        int count = 0;
        for (size_t i = 0; i < around_u_.size(); i++)
            for (size_t k = 0; k < around_v_.size(); k++)
                count += around_u_[i].a == around_v_[k].a;
        return count;
    }
    bool is_tetrahedron() const { return around_u_.size() == 3 && around_v_.size() == 3; }

    static uint32_t faces_with(const Array<Wing>& wings, int32_t w) {
        uint32_t count = 0;
        for (size_t k = 0; k < wings.size(); k++) count += wings[k].a == w || wings[k].b == w;
        return count;
    }

    // The average normal of what u and v stand for.
    Vec3 joint_up(int32_t u, int32_t v) const {
        const Vertex& first = surface_->vertices[u];
        const Vertex& second = surface_->vertices[v];
        const double area1 = first.quadric.a.trace(), area2 = second.quadric.a.trace();
        const double sum = area1 + area2;
        if (!(sum > 0)) return first.up.vector();
        return (area1 / sum) * first.up.vector() + (area2 / sum) * second.up.vector();
    }

    // Whether a face is a worse sliver than those that go when the pair becomes one.
    bool is_worst(const Shape& shape) const {
        for (size_t k = 0; k < around_u_.size(); k++) {
            const Wing& wing = around_u_[k];
            if (wing.a != second_ && wing.b != second_) continue;
            const Shape gone(position(first_), position(wing.a), position(wing.b));
            if (gone.area2 * shape.edges2 <= shape.area2 * gone.edges2) return false;
        }
        return true;
    }

    // True if moving u to `at` turns a face that stays too far, flattens it, or has it face away from
    // what its corners stand for; `up` is of the vertex that u becomes.
    bool spoils_faces(const Array<Wing>& wings, int32_t u, int32_t v, Vec3 at, Vec3 up,
                      const Limits& limits) const {
        const Vec3 from = position(u);
        const bool looks_ahead = limits.upright < 1;
        for (size_t k = 0; k < wings.size(); k++) {
            const Wing& wing = wings[k];
            if (wing.a == v || wing.b == v) continue;
            const Vec3 b = position(wing.a), c = position(wing.b);
            const Shape after(at, b, c);
            if (!(after.area2 > 0)) return true;
            const Vec3 ups = up + surface_->vertices[wing.a].up.vector() +
                             surface_->vertices[wing.b].up.vector();
            const double now = dot(after.normal, ups);
            if (looks_ahead && now > 0 && after.area2 > SLIVER * after.edges2 &&
                now * now > limits.upright * limits.upright * after.area2 * squared(ups))
                continue;
            const Shape before(from, b, c);
            if (after.area2 < limits.min_shape * after.edges2 &&
                after.area2 * before.edges2 < before.area2 * after.edges2 &&
                is_worst(after))
                return true;
            const double then = dot(before.normal, ups);
            // Noise turns slivers over; as long as they are left, they may not become more.
            if (now < 0 && before.area2 < SLIVER * before.edges2 && after.area2 > before.area2 &&
                limits.min_cosine > 0)
                return true;
            if (before.area2 < 1e-12 * before.edges2) continue;  // its normal means nothing
            const double turn = dot(before.normal, after.normal);
            if (turn <= 0 || turn * turn < limits.min_cosine * limits.min_cosine * before.area2 *
                                               after.area2)
                return true;
            if (now <= 0 && then > 0) return true;
            const double least2 = MIN_UPRIGHT * MIN_UPRIGHT * squared(ups);
            if (now * now < least2 * after.area2 && then > 0 &&
                then * then >= least2 * before.area2)
                return true;
        }
        return false;
    }

    // Where the face of `wing`, which has u and v, goes, its two other edges become one: on a curve if
    // either was. Tells so to the faces across them.
    void join_curves(const Wing& wing, int32_t v) {
        const int32_t w = wing.a == v ? wing.b : wing.a;
        const int32_t at_u = wing.a == v ? Surface::preceding(wing.corner) : wing.corner;
        const int32_t at_v = Surface::following(wing.corner);
        const int32_t stands_for =
            surface_->on_curve(at_u) ? surface_->curves[at_u] : surface_->curves[at_v];
        if (stands_for < 0) return;
        const Array<Wing>* const both[2] = {&around_u_, &around_v_};
        for (const Array<Wing>* around : both)
            for (size_t k = 0; k < around->size(); k++) {
                const Wing& other = (*around)[k];
                if (other.a == w) surface_->curves[other.corner] = stands_for;
                if (other.b == w) surface_->curves[Surface::preceding(other.corner)] = stands_for;
            }
    }

    // Merges v into u at `at`.
    void merge(int32_t u, int32_t v, Vec3 at) {
        Vertex& to = surface_->vertices[u];
        Vertex& from = surface_->vertices[v];
        int32_t* link = &to.corner;
        const auto append = [&](int32_t corner) {
            *link = corner;
            link = &surface_->next[corner];
        };
        for (size_t k = 0; k < around_u_.size(); k++) {
            const Wing& wing = around_u_[k];
            if (wing.a == v || wing.b == v) {
                if (surface_->curves.size()) join_curves(wing, v);
                surface_->remove(wing.face());
                removed++;
            } else {
                append(wing.corner);
            }
        }
        for (size_t k = 0; k < around_v_.size(); k++) {
            const Wing& wing = around_v_[k];
            if (wing.a == u || wing.b == u) continue;
            surface_->faces[wing.face()].v[wing.corner - 3 * wing.face()] = u;
            append(wing.corner);
        }
        *link = -1;
        from.corner = -1;
        const auto is_at = [&](Vec3 p) { return at.x == p.x && at.y == p.y && at.z == p.z; };
        if (!is_at(to.position)) to.source = is_at(from.position) ? from.source : -1;
        to.position = at;
        to.up.set((1 / Upwards::UNIT) * joint_up(u, v));
        to.quadric.add(from.quadric);
        if (from.kind > to.kind) to.kind = from.kind;
        to.irregular |= from.irregular;
        from.merged_into = u;
    }

    Surface* surface_ = nullptr;
    int32_t first_ = -1, second_ = -1;  // the pair
    Array<Wing> around_u_, around_v_;
    uint32_t stamp_ = 0;
};

}  // namespace hy3d

#endif
