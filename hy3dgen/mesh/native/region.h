// SPDX-License-Identifier: Apache-2.0
// A stretch of vertices whose edges are collapsed without a look at what is outside.
//
// A collapse must
//   - be allowed for the kinds of its two ends (interior, curve, corner), so borders keep their
//     course and seams between sheets stay where they are;
//   - keep the surface's topology (the link condition), so parts, holes and handles stay;
//   - turn no face far, and make no sliver worse.
//
// Source: Dey, Edelsbrunner, Guha & Nekhayev, Topology preserving edge contraction, 1999 (link
// condition).
#ifndef HY3D_REGION_H
#define HY3D_REGION_H

#include "edge_queue.h"
#include "pricing.h"

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

// A stretch of vertices and what is going on in it. Reads and writes nothing outside.
class Region {
public:
    void set(Surface& surface, Tail tail, int32_t begin, int32_t end) {
        surface_ = &surface;
        tail_ = tail;
        begin_ = begin;
        end_ = end;
    }

    Status price_edges() {
        const size_t most = 4 * static_cast<size_t>(end_ - begin_);
        if (queue_.edges.size() < most && !queue_.edges.resize(most)) return HY3D_OUT_OF_MEMORY;
        queue_.edges.truncate(0);
        size_t first = 0;  // of the edges in the batch
        const auto price_batch = [&] {
            batch_.price(costs_, queue_.edges.size() - first, tail_);
            for (size_t i = first; i < queue_.edges.size(); i++)
                queue_.edges[i].cost = costs_[i - first];
            first = queue_.edges.size();
        };
        for (int32_t u = begin_; u < end_; u++) {
            const Vertex& from = surface_->vertices[u];
            for (int32_t c = from.corner; c >= 0; c = surface_->next[c]) {
                const int32_t f = c / 3, i = c - 3 * f;
                const int32_t v = surface_->faces[f].v[i == 2 ? 0 : i + 1];
                if (!holds(v)) continue;
                const Vertex& to = surface_->vertices[v];
                // A regular edge has a face to either side, so one of them runs upwards.
                if (v < u && !(from.irregular && to.irregular)) continue;
                if (!may_merge(from, to, c)) continue;
                if (!queue_.edges.push({u, v, 0, -1})) return HY3D_OUT_OF_MEMORY;
                batch_.set(queue_.edges.size() - first - 1, from, to);
                if (queue_.edges.size() - first == JointBatch::SIZE) price_batch();
            }
        }
        price_batch();
        return HY3D_OK;
    }

    void count_prices(Array<uint32_t>& histogram) const {
        for (size_t i = 0; i < queue_.edges.size(); i++)
            histogram[bucket_of(queue_.edges[i].cost)]++;
    }
    size_t count_below(uint32_t bucket) const {
        size_t count = 0;
        for (size_t i = 0; i < queue_.edges.size(); i++)
            count += bucket_of(queue_.edges[i].cost) < bucket;
        return count;
    }

    // Collapses edges priced below `end` until `budget` faces are gone. One that has become dearer by
    // more than `slack` buckets goes back. `report` is asked now and then; false from it stops.
    template <typename Report>
    Status collapse(uint32_t end, size_t budget, const Limits& limits, uint32_t slack,
                    uint32_t stamp, Report report) {
        removed = 0;
        stamp_ = stamp;
        if (!queue_.start(end)) return HY3D_OUT_OF_MEMORY;
        uint32_t steps = 0;
        for (int32_t e = queue_.pop(); e >= 0 && removed < budget; e = queue_.pop()) {
            if (++steps % 512 == 0 && !report(removed)) return HY3D_CANCELLED;
            PricedEdge& edge = queue_.edges[e];
            edge.u = surface_->survivor(edge.u);
            edge.v = surface_->survivor(edge.v);
            if (edge.u == edge.v) continue;
            const int32_t u = edge.u, v = edge.v;
            Vec3 at;
            edge.cost = static_cast<float>(
                price(surface_->vertices[u], surface_->vertices[v], tail_, at));
            if (bucket_of(edge.cost) > queue_.bucket() + slack) {
                queue_.push(e);
                continue;
            }
            if (surface_->vertices[u].kind + surface_->vertices[v].kind == 2 * CORNER) continue;
            if (!surface_->gather(u, around_u_) || !surface_->gather(v, around_v_))
                return HY3D_OUT_OF_MEMORY;
            if (!inside(around_u_) || !inside(around_v_)) continue;
            bool allowed = keeps_topology(u, v);
            if (allowed && is_free(u, v)) at = keep_volume(u, v, at);
            // What is around may have changed when its turn comes again.
            if (!allowed || !merge_unless_spoilt(u, v, at, limits)) queue_.push_later(e);
        }
        return HY3D_OK;
    }

    // Counts the prices of a few edges.
    Status sample_prices(uint32_t histogram[BUCKETS]) {
        if (!merged_.resize_zeroed(static_cast<size_t>(end_ - begin_))) return HY3D_OUT_OF_MEMORY;
        for (int32_t u = begin_; u < end_; u += SAMPLED_PART) {
            const size_t count = price_around(u);
            for (size_t i = 0; i < count; i++)
                __atomic_add_fetch(&histogram[bucket_of(costs_[i])], 1, __ATOMIC_RELAXED);
        }
        return HY3D_OK;
    }

    // Goes through the vertices as they come, or through `part` of them, and merges each with the
    // neighbour for which that costs least, if both are as they were at first and the price is below
    // `end`, until `budget` faces are gone.
    template <typename Report>
    Status thin(uint32_t end, double part, size_t budget, const Limits& limits, uint32_t stamp,
                Report report) {
        removed = 0;
        stamp_ = stamp;
        if (!merged_.resize_zeroed(static_cast<size_t>(end_ - begin_))) return HY3D_OUT_OF_MEMORY;
        double due = 0;
        for (int32_t u = begin_; u < end_ && removed < budget; u++) {
            if (u % 512 == 0 && !report(removed)) return HY3D_CANCELLED;
            if (surface_->vertices[u].corner < 0 || merged_[u - begin_]) continue;
            due += part;
            if (due < 1) continue;
            due -= 1;
            if (!surface_->gather(u, around_u_)) return HY3D_OUT_OF_MEMORY;
            if (!inside(around_u_)) continue;
            const size_t count = price_around(u);
            size_t best = count;
            float least = INFINITY;
            for (size_t i = 0; i < count; i++)
                if (costs_[i] < least) least = costs_[best = i];
            if (best == count || bucket_of(least) >= end) continue;
            const int32_t v = ends_[best];
            if (!surface_->gather(v, around_v_)) return HY3D_OUT_OF_MEMORY;
            if (!inside(around_v_) || !keeps_topology(u, v)) continue;
            const Vec3 at = batch_.place(best, surface_->vertices[u], surface_->vertices[v]);
            if (merge_unless_spoilt(u, v, at, limits)) merged_[u - begin_] = 1;
        }
        return HY3D_OK;
    }

    size_t removed = 0;  // faces, by the last call of collapse or thin
    size_t vertex_count() const { return static_cast<size_t>(end_ - begin_); }
    size_t edge_count() const { return queue_.edges.size(); }
    uint32_t stamp() const { return stamp_; }

private:
    static constexpr int32_t SAMPLED_PART = 16;  // one in so many vertices

    // Whether the kinds of two vertices allow to merge them; the edge between them leaves from `corner`.
    bool may_merge(const Vertex& from, const Vertex& to, int32_t corner) const {
        if (from.kind + to.kind == 2 * CORNER) return false;
        // Not between two curves, or two places of one.
        return !surface_->curves.size() || !from.kind || !to.kind || surface_->on_curve(corner) ||
               (from.irregular && to.irregular);
    }

    // Prices the edges from u to vertices that are as they were, up to a number; fills `ends_` and
    // `costs_`.
    size_t price_around(int32_t u) {
        const Vertex& from = surface_->vertices[u];
        size_t count = 0;
        for (int32_t c = from.corner; c >= 0 && count < JointBatch::SIZE; c = surface_->next[c]) {
            const int32_t f = c / 3, i = c - 3 * f;
            const Face& face = surface_->faces[f];
            if (face.v[0] < 0) continue;
            const int32_t v = face.v[i == 2 ? 0 : i + 1];
            if (!holds(v) || merged_[v - begin_]) continue;
            const Vertex& to = surface_->vertices[v];
            if (!may_merge(from, to, c)) continue;
            batch_.set(count, from, to);
            ends_[count++] = v;
        }
        if (count) batch_.price(costs_, count, tail_);
        return count;
    }

    bool merge_unless_spoilt(int32_t u, int32_t v, Vec3 at, const Limits& limits) {
        const Vec3 up = joint_up(u, v);
        if (spoils_faces(around_u_, u, v, at, up, limits) ||
            spoils_faces(around_v_, v, u, at, up, limits))
            return false;
        merge(u, v, at);
        return true;
    }

    bool holds(int32_t v) const { return v >= begin_ && v < end_; }

    bool inside(const Array<Wing>& wings) const {
        for (size_t k = 0; k < wings.size(); k++)
            if (!holds(wings[k].a) || !holds(wings[k].b)) return false;
        return true;
    }

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

    // True if moving u to `at` turns a face that stays too far, flattens it, or has it face away from
    // what its corners stand for; `up` is of the vertex that u becomes.
    bool spoils_faces(const Array<Wing>& wings, int32_t u, int32_t v, Vec3 at, Vec3 up,
                      const Limits& limits) const {
        const Vec3 from = position(u);
        for (size_t k = 0; k < wings.size(); k++) {
            const Wing& wing = wings[k];
            if (wing.a == v || wing.b == v) continue;
            const Vec3 b = position(wing.a), c = position(wing.b);
            const Shape before(from, b, c), after(at, b, c);
            if (!(after.area2 > 0)) return true;
            if (after.area2 < limits.min_shape * after.edges2 &&
                after.area2 * before.edges2 < before.area2 * after.edges2)
                return true;
            const Vec3 ups = up + surface_->vertices[wing.a].up.vector() +
                             surface_->vertices[wing.b].up.vector();
            const double now = dot(after.normal, ups), then = dot(before.normal, ups);
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
    Tail tail_ = Tail::USUAL;
    int32_t begin_ = 0, end_ = 0;
    EdgeQueue queue_;
    Array<Wing> around_u_, around_v_;
    Array<uint8_t> merged_;  // per vertex, by the present call of thin
    JointBatch batch_;
    int32_t ends_[JointBatch::SIZE];
    float costs_[JointBatch::SIZE];
    uint32_t stamp_ = 0;
};

}  // namespace hy3d

#endif
