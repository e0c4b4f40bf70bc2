// SPDX-License-Identifier: Apache-2.0
// A stretch of vertices whose edges are collapsed without a look at what is outside. Which pairs may
// merge is in merger.h.
#ifndef HY3D_REGION_H
#define HY3D_REGION_H

#include "edge_queue.h"
#include "merger.h"
#include "pricing.h"

namespace hy3d {

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
        merger_.start(*surface_, stamp);
        if (!queue_.start(end)) return HY3D_OUT_OF_MEMORY;
        uint32_t steps = 0;
        for (int32_t e = queue_.pop(); e >= 0 && merger_.removed < budget; e = queue_.pop()) {
            if (++steps % 512 == 0 && !report(merger_.removed)) return HY3D_CANCELLED;
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
            if (!merger_.gather_first(u) || !merger_.gather_second(v))
                return HY3D_OUT_OF_MEMORY;
            if (!inside(merger_.around_first()) || !inside(merger_.around_second())) continue;
            const bool allowed = merger_.keeps_topology(u, v);
            if (allowed && merger_.is_free(u, v)) at = merger_.keep_volume(u, v, at);
            // What is around may have changed when its turn comes again.
            if (!allowed || !merger_.merge_unless_spoilt(u, v, at, limits)) queue_.push_later(e);
        }
        return HY3D_OK;
    }

    // Counts the prices of the edges around one in so many vertices.
    Status sample_prices(int32_t part, uint32_t histogram[BUCKETS]) {
        if (!merged_.resize_zeroed(static_cast<size_t>(end_ - begin_))) return HY3D_OUT_OF_MEMORY;
        for (int32_t u = begin_; u < end_; u += part) {
            const size_t count = price_around(u);
            for (size_t i = 0; i < count; i++)
                __atomic_add_fetch(&histogram[bucket_of(costs_[i])], 1, __ATOMIC_RELAXED);
        }
        return HY3D_OK;
    }

    // Goes through the vertices as they come, or through `part` of them, and merges each with the
    // neighbour that lies nearest to its planes, if both are as they were at first and the price is below
    // `end`, until `budget` faces are gone.
    template <typename Report>
    Status thin(uint32_t end, double part, size_t budget, const Limits& limits, uint32_t stamp,
                Report report) {
        merger_.start(*surface_, stamp);
        if (!merged_.resize_zeroed(static_cast<size_t>(end_ - begin_))) return HY3D_OUT_OF_MEMORY;
        double due = 0;
        for (int32_t u = begin_; u < end_ && merger_.removed < budget; u++) {
            if (u % 512 == 0 && !report(merger_.removed)) return HY3D_CANCELLED;
            if (surface_->vertices[u].corner < 0 || merged_[u - begin_]) continue;
            due += part;
            if (due < 1) continue;
            due -= 1;
            if (!merger_.gather_first(u)) return HY3D_OUT_OF_MEMORY;
            if (!inside(merger_.around_first())) continue;
            const int32_t v = nearest_to_planes(u);
            if (v < 0) continue;
            Vec3 at;
            const double cost = price(surface_->vertices[u], surface_->vertices[v], tail_, at);
            if (bucket_of(static_cast<float>(cost)) >= end) continue;
            if (!merger_.gather_second(v)) return HY3D_OUT_OF_MEMORY;
            if (!inside(merger_.around_second()) || !merger_.keeps_topology(u, v)) continue;
            if (merger_.merge_unless_spoilt(u, v, at, limits)) merged_[u - begin_] = 1;
        }
        return HY3D_OK;
    }

    size_t removed() const { return merger_.removed; }  // faces, by the last call of collapse or thin
    size_t vertex_count() const { return static_cast<size_t>(end_ - begin_); }
    size_t edge_count() const { return queue_.edges.size(); }
    uint32_t stamp() const { return merger_.stamp(); }

private:
    // Whether the kinds of two vertices allow to merge them; the edge between them leaves from `corner`.
    bool may_merge(const Vertex& from, const Vertex& to, int32_t corner) const {
        if (from.kind + to.kind == 2 * CORNER) return false;
        // Not between two curves, or two places of one.
        return !surface_->curves.size() || !from.kind || !to.kind || surface_->on_curve(corner) ||
               (from.irregular && to.irregular);
    }

    // Of u's neighbours that are as they were, the one that lies nearest to the planes of u: a look at
    // their places alone, so that no other quadric is read; -1 if there is none.
    int32_t nearest_to_planes(int32_t u) const {
        const Vertex& from = surface_->vertices[u];
        const Array<Wing>& around = merger_.around_first();
        int32_t best = -1;
        double least = INFINITY;
        for (size_t k = 0; k < around.size(); k++) {
            const int32_t v = around[k].a;
            const Vertex& to = surface_->vertices[v];
            const double cost = from.quadric.at(to.position);
            if (!(cost < least) || merged_[v - begin_] || !may_merge(from, to, around[k].corner))
                continue;
            least = cost;
            best = v;
        }
        return best;
    }

    // Prices the edges from u to vertices that are as they were, up to a number; fills `costs_`.
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
            batch_.set(count++, from, to);
        }
        if (count) batch_.price(costs_, count, tail_);
        return count;
    }

    bool holds(int32_t v) const { return v >= begin_ && v < end_; }

    bool inside(const Array<Wing>& wings) const {
        for (size_t k = 0; k < wings.size(); k++)
            if (!holds(wings[k].a) || !holds(wings[k].b)) return false;
        return true;
    }

    Surface* surface_ = nullptr;
    Tail tail_ = Tail::USUAL;
    int32_t begin_ = 0, end_ = 0;
    EdgeQueue queue_;
    Merger merger_;
    Array<uint8_t> merged_;  // per vertex, by the present call of thin
    JointBatch batch_;
    float costs_[JointBatch::SIZE];
};

}  // namespace hy3d

#endif
