// SPDX-License-Identifier: Apache-2.0
// Edge collapse by quadric error, in rounds over regions.
//
// Vertices lie along a space-filling curve, so a stretch of them is a region of the surface. In each
// round the regions are worked on independently, each on some thread: price the edges inside, then
// collapse them cheapest first up to a price that all regions share. Edges that reach out of their
// region wait for the next round, whose regions begin half a region later. As the order of distant
// collapses does not matter, this differs little from one queue over all edges. The last tenth is
// done as one region, to end at the target exactly.
//
// An edge is priced once a round, and again when its turn comes; if its surroundings have changed
// and it costs more by then, it goes back into the queue. Sums of quadrics never cost less than
// their parts, so the price of before is a lower bound and nothing cheaper is overlooked.
//
// A collapse must
//   - be allowed for the kinds of its two ends (interior, curve, corner), so borders keep their
//     course and seams between sheets stay where they are;
//   - keep the surface's topology (the link condition), so parts, holes and handles stay;
//   - turn no face far, and make no sliver worse.
//
// Sources: Garland & Heckbert, Surface simplification using quadric error metrics, 1997 (quadrics
// by area, border planes); Dey, Edelsbrunner, Guha & Nekhayev, Topology preserving edge
// contraction, 1999 (link condition).
#include "collapse.h"

#include "edge_queue.h"
#include "pricing.h"
#include "threads.h"

namespace hy3d {
namespace {

// Vertices in a region.
constexpr size_t REGION = 8192;
// In haste, an edge may cost so many buckets more when its turn comes than it did at first.
constexpr uint32_t HASTY_SLACK = 20;
// Edges a round enqueues for each collapse that is still needed. A collapse uses up the edge and
// the doubles of two others; with more, regions end too unevenly for the last round to mend.
constexpr double EDGES_PER_COLLAPSE = 2.0;
// In haste, for a preview, that is accepted for fewer rounds; but with nearly every edge in the queue
// nothing would tell the good from the bad, so that such a round removes four fifths at most.
constexpr double EDGES_PER_HASTY_COLLAPSE = 3.2;
// Rounds over regions end when this part of the faces is left to remove.
constexpr double LAST_PART = 0.15;
// A round that collapses less than this part of what it tried counts as stuck.
constexpr double STUCK_BELOW = 0.02;
// Rounds over every edge before we believe that parts and holes allow no fewer faces.
constexpr int MAX_EXHAUSTED = 64;
// Keeping the volume: how stiff directions in which the surface is flat are taken to be, relative
// to the trace, and how far the vertex may move, relative to the edge's length, squared.
constexpr double VOLUME_RIDGE = 1e-3, VOLUME_REACH = 0.25;
constexpr uint32_t MAX_SHEETS = 8;
// Cosine between a face's normal and the input's around: no collapse may bring a face from above it, or
// from above 0, to below. What a face may turn in single steps could add up to a fold.
constexpr double MIN_UPRIGHT = 0.2;

struct Limits {
    double min_cosine;  // between a face's normals before and after
    double min_shape;   // area^2 over squared sum of squared edges; 0.083 if equilateral
};
// Tried in this order: the next when the one before lets too few collapses through.
constexpr Limits USUAL = {0.2, 2.5e-5};
constexpr Limits THIN_FACES = {0.2, 1e-9};
constexpr Limits LAST_RESORT = {0.0, 1e-12};

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
    void set(Surface& surface, int32_t begin, int32_t end) {
        surface_ = &surface;
        begin_ = begin;
        end_ = end;
    }

    Status price_edges() {
        queue_.edges.truncate(0);
        for (int32_t u = begin_; u < end_; u++) {
            const Vertex& from = surface_->vertices[u];
            for (int32_t c = from.corner; c >= 0; c = surface_->next[c]) {
                const int32_t f = c / 3, i = c - 3 * f;
                const int32_t v = surface_->faces[f].v[i == 2 ? 0 : i + 1];
                if (!holds(v)) continue;
                const Vertex& to = surface_->vertices[v];
                // A regular edge has a face to either side, so one of them runs upwards.
                if (v < u && !(from.irregular && to.irregular)) continue;
                if (from.kind + to.kind == 2 * CORNER) continue;
                if (surface_->curves.size() && from.kind && to.kind && !surface_->on_curve(c) &&
                    !(from.irregular && to.irregular))
                    continue;  // between two curves, or two places of one
                Vec3 at;
                const float cost = static_cast<float>(price(from, to, at));
                if (!queue_.edges.push({u, v, cost, -1})) return HY3D_OUT_OF_MEMORY;
            }
        }
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
            edge.cost = static_cast<float>(price(surface_->vertices[u], surface_->vertices[v], at));
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
            const Vec3 up = joint_up(u, v);
            allowed = allowed && !spoils_faces(around_u_, u, v, at, up, limits) &&
                      !spoils_faces(around_v_, v, u, at, up, limits);
            if (!allowed) {
                queue_.push_later(e);  // what is around may have changed by then
                continue;
            }
            merge(u, v, at);
        }
        return HY3D_OK;
    }

    size_t removed = 0;  // faces, by the last call of collapse
    size_t edge_count() const { return queue_.edges.size(); }
    uint32_t stamp() const { return stamp_; }

private:
    bool holds(int32_t v) const { return v >= begin_ && v < end_; }

    bool inside(const Array<Wing>& wings) const {
        for (size_t k = 0; k < wings.size(); k++)
            if (!holds(wings[k].a) || !holds(wings[k].b)) return false;
        return true;
    }

    uint32_t& mark(int32_t v) { return surface_->vertices[v].mark; }
    Kind kind(int32_t v) const { return static_cast<Kind>(surface_->vertices[v].kind); }
    Vec3 position(int32_t v) const { return surface_->vertices[v].position; }

    // True if merging u and v leaves a surface of the same topology, and an allowed pair of kinds.
    bool keeps_topology(int32_t u, int32_t v) {
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
            if (before.area2 < 1e-12 * before.edges2) continue;  // its normal means nothing
            const double turn = dot(before.normal, after.normal);
            if (turn <= 0 || turn * turn < limits.min_cosine * limits.min_cosine * before.area2 *
                                               after.area2)
                return true;
            const Vec3 ups = up + surface_->vertices[wing.a].up.vector() +
                             surface_->vertices[wing.b].up.vector();
            const double now = dot(after.normal, ups), then = dot(before.normal, ups);
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
    int32_t begin_ = 0, end_ = 0;
    EdgeQueue queue_;
    Array<Wing> around_u_, around_v_;
    uint32_t stamp_ = 0;
};

class Collapser {
public:
    Collapser(Surface& surface, size_t target, Pace pace, int32_t threads, Progress& progress)
        : surface_(surface),
          target_(target),
          hasty_(pace == Pace::HASTY),
          edges_per_collapse_(pace == Pace::HASTY ? EDGES_PER_HASTY_COLLAPSE : EDGES_PER_COLLAPSE),
          threads_(threads),
          progress_(progress) {}
    ~Collapser() { free_regions(); }

    Status run() {
        alive_ = start_ = surface_.faces.size();
        int stuck = 0, exhausted = 0, round = 0;
        bool last_resort = false, regions_help = true;
        while (alive_ > target_) {
            const size_t excess = alive_ - target_;
            const bool whole =
                !regions_help || stuck ||
                static_cast<double>(excess) < LAST_PART * static_cast<double>(alive_);
            Status status = split(whole, !whole && round++ % 2 == 1);
            if (status == HY3D_OK) status = price();
            if (status != HY3D_OK) return status;

            size_t edges = 0;
            for (size_t r = 0; r < region_count_; r++) edges += regions_[r].edge_count();
            size_t part = excess;  // that this round is to remove
            if (!whole && hasty_ && part > alive_ / 5 * 4) part = alive_ / 5 * 4;
            const size_t needed = (part + 1) / 2;
            size_t tried = static_cast<size_t>(edges_per_collapse_ * static_cast<double>(needed)) + 8;
            if (whole) tried = 2 * tried;
            if (stuck > 1) tried = stuck < 9 ? tried << (stuck - 1) : edges;
            const bool all_tried = tried >= edges;
            const uint32_t end = all_tried ? BUCKETS : price_limit(tried);
            const Limits& limits = last_resort ? LAST_RESORT : stuck ? THIN_FACES : USUAL;
            size_t removed = 0;
            // A collapse removes up to MAX_SHEETS faces, so a region may go that far beyond its share.
            const size_t margin = whole ? 0 : MAX_SHEETS * region_count_;
            status = collapse(end, part > margin ? part - margin : 0, limits, removed);
            if (status == HY3D_OK) status = surface_.link(progress_);
            if (status != HY3D_OK) return status;
            alive_ -= removed;
            if (!whole) {
                regions_help = static_cast<double>(removed) > 0.1 * static_cast<double>(excess);
                continue;
            }
            if (all_tried) {
                exhausted++;
                if (removed == 0 && last_resort) break;
                if (removed == 0) last_resort = true;
                if (exhausted == MAX_EXHAUSTED) break;
            }
            if (tried > edges) tried = edges;
            stuck = static_cast<double>(removed) < 2 * STUCK_BELOW * static_cast<double>(tried)
                        ? stuck + 1
                        : 0;
        }
        return HY3D_OK;
    }

private:
    // Regions with equal numbers of vertices that are still there, shifted by a half in every other
    // round; one region if `whole`.
    Status split(bool whole, bool shifted) {
        free_regions();
        const size_t count = surface_.vertices.size();
        size_t there = 0;
        for (size_t v = 0; v < count; v++) there += surface_.vertices[v].corner >= 0;
        const size_t size = whole || there < 2 * REGION ? there + 1 : REGION;
        const size_t most = there / size + 2;
        regions_ = static_cast<Region*>(calloc(most, sizeof(Region)));
        if (!regions_) return HY3D_OUT_OF_MEMORY;
        size_t begin = 0, seen = shifted ? size / 2 : 0;
        for (size_t v = 0; v < count; v++) {
            seen += surface_.vertices[v].corner >= 0;
            if (seen < size && v + 1 < count) continue;
            regions_[region_count_++].set(surface_, static_cast<int32_t>(begin),
                                          static_cast<int32_t>(v + 1));
            begin = v + 1;
            seen = 0;
        }
        return HY3D_OK;
    }

    void free_regions() {
        for (size_t r = 0; r < region_count_; r++) regions_[r].~Region();
        free(regions_);
        regions_ = nullptr;
        region_count_ = 0;
    }

    // Runs work(region) for all of them; the first status that is not HY3D_OK.
    template <typename Work>
    Status for_each_region(Work work) {
        int32_t failed = HY3D_OK;
        for_each_job(threads_, region_count_, [&](size_t r) {
            if (__atomic_load_n(&failed, __ATOMIC_RELAXED) != HY3D_OK) return;
            const Status status = work(regions_[r]);
            if (status != HY3D_OK) __atomic_store_n(&failed, status, __ATOMIC_RELAXED);
        });
        return failed;
    }

    Status price() {
        return for_each_region([&](Region& region) {
            return progress_.report(share_done(0)) ? region.price_edges() : HY3D_CANCELLED;
        });
    }

    // The bucket below which about `wanted` edges lie.
    uint32_t price_limit(size_t wanted) {
        if (!histogram_.resize_zeroed(BUCKETS)) return BUCKETS;
        for (size_t r = 0; r < region_count_; r++) regions_[r].count_prices(histogram_);
        size_t sum = 0;
        uint32_t bucket = 0;
        while (bucket < BUCKETS && sum < wanted) sum += histogram_[bucket++];
        return bucket;
    }

    Status collapse(uint32_t end, size_t budget, const Limits& limits, size_t& removed) {
        // A region may remove its share of the faces, so that all together stay above the target.
        size_t below = 0;
        Array<size_t> shares;
        if (!shares.resize(region_count_)) return HY3D_OUT_OF_MEMORY;
        for (size_t r = 0; r < region_count_; r++)
            below += shares[r] = regions_[r].count_below(end);
        const double part = below ? static_cast<double>(budget) / static_cast<double>(below) : 0;
        int64_t total = 0;
        const uint32_t stamp = surface_.stamp;
        const Status status = for_each_region([&](Region& region) {
            const size_t r = static_cast<size_t>(&region - regions_);
            const size_t share =
                region_count_ == 1 ? budget
                                   : static_cast<size_t>(part * static_cast<double>(shares[r]));
            size_t told = 0;
            const uint32_t slack = hasty_ ? HASTY_SLACK : 0;
            return region.collapse(end, share, limits, slack, stamp, [&](size_t so_far) {
                const int64_t sum = __atomic_add_fetch(&total, static_cast<int64_t>(so_far - told),
                                                       __ATOMIC_RELAXED);
                told = so_far;
                return progress_.report(share_done(static_cast<size_t>(sum)));
            });
        });
        removed = 0;
        for (size_t r = 0; r < region_count_; r++) {
            removed += regions_[r].removed;
            if (regions_[r].stamp() > surface_.stamp) surface_.stamp = regions_[r].stamp();
        }
        return status;
    }

    double share_done(size_t removed) const {
        return static_cast<double>(start_ - alive_ + removed) /
               static_cast<double>(start_ - target_);
    }

    Surface& surface_;
    const size_t target_;
    const bool hasty_;
    const double edges_per_collapse_;
    const int32_t threads_;
    Progress& progress_;
    size_t alive_ = 0, start_ = 0;
    Region* regions_ = nullptr;
    size_t region_count_ = 0;
    Array<uint32_t> histogram_;
};

// Adds the planes of the faces, and sets where up is.
Status sum_face_quadrics(Surface& surface, Progress& progress) {
    struct Sum {
        float x, y, z, area;
    };
    Array<Sum> sums;
    if (!sums.resize_zeroed(surface.vertices.size())) return HY3D_OUT_OF_MEMORY;
    for (size_t f = 0; f < surface.faces.size(); f++) {
        if (!progress.go_on(f)) return HY3D_CANCELLED;
        const Face& face = surface.faces[f];
        const Vec3 a = surface.vertices[face.v[0]].position;
        const Vec3 normal = cross(surface.vertices[face.v[1]].position - a,
                                  surface.vertices[face.v[2]].position - a);
        const double doubled_area = sqrt(squared(normal));
        if (!(doubled_area > 1e-30)) continue;
        Quadric plane = {};
        plane.add_plane((1 / doubled_area) * normal, a, doubled_area / 6);
        for (const int32_t v : face.v) {
            surface.vertices[v].quadric.add(plane);
            Sum& sum = sums[v];
            sum.x += static_cast<float>(normal.x);
            sum.y += static_cast<float>(normal.y);
            sum.z += static_cast<float>(normal.z);
            sum.area += static_cast<float>(doubled_area);
        }
    }
    for (size_t v = 0; v < sums.size(); v++) {
        const Sum& sum = sums[v];
        if (!(sum.area > 0)) continue;
        const double inverse = 1 / static_cast<double>(sum.area);
        const Vec3 normal = {static_cast<double>(sum.x), static_cast<double>(sum.y),
                             static_cast<double>(sum.z)};
        surface.vertices[v].up.set(inverse * normal);
    }
    return HY3D_OK;
}

}  // namespace

Status collapse_edges(Surface& surface, size_t target, Pace pace, int32_t threads,
                      Progress& progress) {
    const Status status = sum_face_quadrics(surface, progress);
    if (status != HY3D_OK) return status;
    return Collapser(surface, target, pace, threads, progress).run();
}

}  // namespace hy3d
