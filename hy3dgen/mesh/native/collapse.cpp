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
// What a collapse must keep is in merger.h.
//
// Source: Garland & Heckbert, Surface simplification using quadric error metrics, 1997 (quadrics
// by area, border planes).
#include "collapse.h"

#include "face_planes.h"
#include "region.h"
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
constexpr double LAST_PART = 0.15, LAST_HASTY_PART = 0.1;
// In haste, rounds of merging each vertex with a neighbour come first, while there are more than so many
// times the wanted faces. Only edges below a quantile of the prices are taken: at a few times the wanted
// faces what counts is to take any, close to them, which. A round removes at most half of the faces.
constexpr double THIN_TO = 1.2, QUANTILE_PER_FOLD = 0.25, MOST_QUANTILE = 0.8, MOST_THINNED = 0.38;
constexpr size_t SAMPLED_VERTICES = 3000;  // at least so many tell the quantile
constexpr size_t SLOW_PART = 8;  // and less than this part of them is not worth another
// A round that collapses less than this part of what it tried counts as stuck.
constexpr double STUCK_BELOW = 0.02;
// Rounds over every edge before we believe that parts and holes allow no fewer faces.
constexpr int MAX_EXHAUSTED = 64;
// Faces of the source to one that is left, from which on noise can only be averaged, not followed.
constexpr double FACES_FOR_ONE = 10;
// Tried in this order: the next when the one before lets too few collapses through.
constexpr Limits USUAL = {0.2, 1e-7, 2};
constexpr Limits THIN_FACES = {0.2, 1e-9, 2};
constexpr Limits LAST_RESORT = {0.0, 1e-12, 2};
// For the rounds that merge each vertex with a neighbour.
constexpr Limits WHILE_THINNING = {0.2, 1e-7, 0.7};

class Collapser {
public:
    Collapser(Surface& surface, size_t target, Pace pace, int32_t threads, Progress& progress)
        : surface_(surface),
          target_(target),
          hasty_(pace == Pace::HASTY),
          edges_per_collapse_(pace == Pace::HASTY ? EDGES_PER_HASTY_COLLAPSE : EDGES_PER_COLLAPSE),
          // The planes that hold curves weigh in the trace: with more of it, curves would suffer.
          tail_(pace == Pace::BEFORE_REFIT && surface.curves.size() == 0 ? Tail::SHORTER
                                                                          : Tail::USUAL),
          threads_(threads),
          progress_(progress) {}
    ~Collapser() { free_regions(); }

    Status run() {
        alive_ = start_ = surface_.faces.size();
        int stuck = 0, exhausted = 0;
        if (hasty_) {
            const Status status = thin();
            if (status != HY3D_OK) return status;
        }
        size_t round = 0;
        bool last_resort = false, regions_help = true;
        while (alive_ > target_) {
            const size_t excess = alive_ - target_;
            const bool whole =
                !regions_help || stuck ||
                static_cast<double>(excess) <
                    (hasty_ ? LAST_HASTY_PART : LAST_PART) * static_cast<double>(alive_);
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
            if (status == HY3D_OK) status = surface_.compact(threads_, progress_);
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
    // Rounds that take two fifths of the surface away, as long as that leaves enough.
    Status thin() {
        for (size_t round = 0;
             static_cast<double>(alive_) > THIN_TO * static_cast<double>(target_); round++) {
            Status status = split(false, round % 2 == 1);
            if (status != HY3D_OK) return status;
            if (!histogram_.resize_zeroed(BUCKETS)) return HY3D_OUT_OF_MEMORY;
            const int32_t sampled_part =
                1 + static_cast<int32_t>(surface_.vertices.size() / SAMPLED_VERTICES);
            status = for_each_region(
                [&](Region& region) { return region.sample_prices(sampled_part, histogram_.data()); });
            if (status != HY3D_OK) return status;
            size_t all = 0;
            for (const uint32_t count : histogram_) all += count;
            const double alive = static_cast<double>(alive_), target = static_cast<double>(target_);
            double quantile = QUANTILE_PER_FOLD * alive / target;
            if (quantile > MOST_QUANTILE) quantile = MOST_QUANTILE;
            const uint32_t end = price_below(static_cast<size_t>(quantile * static_cast<double>(all)));
            const double part = (alive - target) / (MOST_THINNED * alive);
            const uint32_t stamp = surface_.stamp;
            status = for_each_region([&](Region& region) {
                const double share = static_cast<double>(region.vertex_count()) /
                                     static_cast<double>(surface_.vertices.size());
                const double budget = share * (alive - target) - MAX_SHEETS;
                return region.thin(end, part < 1 ? part : 1,
                                   budget > 0 ? static_cast<size_t>(budget) : 0, WHILE_THINNING, stamp, [&](size_t) {
                    return progress_.report(share_done(0));
                });
            });
            size_t removed = 0;
            for (size_t r = 0; r < region_count_; r++) {
                removed += regions_[r].removed();
                if (regions_[r].stamp() > surface_.stamp) surface_.stamp = regions_[r].stamp();
            }
            if (status == HY3D_OK) status = surface_.compact(threads_, progress_);
            if (status != HY3D_OK) return status;
            const bool slow = SLOW_PART * removed < alive_;  // also if few faces are left, and none went
            alive_ -= removed;
            if (slow) break;
        }
        return HY3D_OK;
    }

    // Regions with equal numbers of vertices, shifted by a half in every other round; one region if
    // `whole`.
    Status split(bool whole, bool shifted) {
        const size_t count = surface_.vertices.size();
        const size_t size = whole || count < 2 * REGION ? count + 1 : REGION;
        const size_t most = count / size + 2;
        if (made_ < most && !make_regions(most)) return HY3D_OUT_OF_MEMORY;
        region_count_ = 0;
        for (size_t begin = 0; begin < count;) {
            size_t end = begin + (shifted && begin == 0 ? size - size / 2 : size);
            if (end > count) end = count;
            regions_[region_count_++].set(surface_, tail_, static_cast<int32_t>(begin),
                                          static_cast<int32_t>(end));
            begin = end;
        }
        return HY3D_OK;
    }

    // The first split has the most; later ones use their memory again.
    bool make_regions(size_t count) {
        free_regions();
        regions_ = static_cast<Region*>(calloc(count, sizeof(Region)));
        made_ = regions_ ? count : 0;
        return regions_ != nullptr;
    }

    void free_regions() {
        for (size_t r = 0; r < made_; r++) regions_[r].~Region();
        free(regions_);
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
        return price_below(wanted);
    }

    // The same for those in `histogram_`.
    uint32_t price_below(size_t wanted) const {
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
            removed += regions_[r].removed();
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
    const Tail tail_;
    const int32_t threads_;
    Progress& progress_;
    size_t alive_ = 0, start_ = 0;
    Region* regions_ = nullptr;
    size_t region_count_ = 0, made_ = 0;
    Array<uint32_t> histogram_;
};

}  // namespace

Status collapse_edges(Surface& surface, size_t target, Pace pace, int32_t threads,
                      Progress& progress) {
    // The refit averages by itself, and from planes without noise it would turn slivers over.
    const bool many_go = pace == Pace::CAREFUL && static_cast<double>(surface.faces.size()) >
                                                      FACES_FOR_ONE * static_cast<double>(target);
    // Curves follow what is there: the planes that hold them stand on the true faces.
    const Noise noise = pace == Pace::HASTY || surface.curves.size() ? Noise::KEPT
                        : many_go                                    ? Noise::AVERAGED
                                                                     : Noise::DAMPED;
    const Status status = add_face_planes(surface, noise, threads, progress);
    if (status != HY3D_OK) return status;
    return Collapser(surface, target, pace, threads, progress).run();
}

}  // namespace hy3d
