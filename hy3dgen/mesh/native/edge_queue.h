// SPDX-License-Identifier: Apache-2.0
// Edges by price: buckets a sixteenth of an octave wide, so that putting one back at a higher price
// costs nothing. Within a bucket the last comes first.
#ifndef HY3D_EDGE_QUEUE_H
#define HY3D_EDGE_QUEUE_H

#include "containers.h"

namespace hy3d {

struct PricedEdge {
    int32_t u, v;
    float cost;
    int32_t next;  // of its bucket
};

constexpr uint32_t BUCKETS = 4096;

inline uint32_t bucket_of(float cost) {
    uint32_t bits;  // of a float that is not negative; they sort like the float
    memcpy(&bits, &cost, sizeof(bits));
    return bits >> 19;
}

class EdgeQueue {
public:
    Array<PricedEdge> edges;

    // Enqueues the edges in buckets below `end`.
    [[nodiscard]] bool start(uint32_t end) {
        if (!heads_.resize(BUCKETS)) return false;
        for (uint32_t b = 0; b < BUCKETS; b++) heads_[b] = -1;
        bucket_ = 0;
        end_ = end;
        for (size_t i = edges.size(); i-- > 0;) push(static_cast<int32_t>(i));
        return true;
    }
    // By the edge's cost; dropped where that is above the end.
    void push(int32_t edge) {
        const uint32_t bucket = bucket_of(edges[edge].cost);
        if (bucket >= end_) return;
        edges[edge].next = heads_[bucket];
        heads_[bucket] = edge;
        if (bucket < bucket_) bucket_ = bucket;
    }
    // As if it cost sixteen times as much as those whose turn it is.
    void push_later(int32_t edge) {
        const uint32_t bits = (bucket_ + 64) << 19;
        if (bucket_ + 64 >= end_) return;
        memcpy(&edges[edge].cost, &bits, sizeof(bits));
        push(edge);
    }
    // The cheapest edge, or -1.
    int32_t pop() {
        while (bucket_ < end_) {
            const int32_t edge = heads_[bucket_];
            if (edge >= 0) {
                heads_[bucket_] = edges[edge].next;
                return edge;
            }
            bucket_++;
        }
        return -1;
    }
    uint32_t bucket() const { return bucket_; }

private:
    Array<int32_t> heads_;
    uint32_t bucket_ = 0, end_ = 0;
};

}  // namespace hy3d

#endif
