// SPDX-License-Identifier: Apache-2.0
// Rounds of edge collapses. Each kernel is the fused twin of plain functions in quadrics.py,
// collapse.py and reduce.py, where the reasons and sources are; fused_reduce.py calls them.
#include "vectors.cuh"

#define MOST_FACES 24 // around a vertex; one with more waits
#define INTERIOR 0
#define FIXED 2
#define PENDING 0
#define TAKEN 1
#define OUT 2

struct Mesh {
    const int* faces;
    const int* starts;
    const int* valences;
    const int* corners;
    const float* places;
    const float* quadrics;
    const unsigned char* kinds;
};

// ---- the untouched surface ----

// Faces that run along the edge from -> to, and those that run back.
DEVICE void runs(const int* faces, const int* list, int n, int to, int& there, int& back) {
    there = back = 0;
    for (int k = 0; k < n; ++k) {
        there += faces[after(list[k])] == to;
        back += faces[before(list[k])] == to;
    }
}

// kinds: 0 inside, 1 on a border, 2 stays where it is; quadrics: planes of the faces around, and on
// borders walls as wide as the edge is long.
KERNEL first_quadrics(int count, const int* faces, const int* starts, const int* valences,
                      const int* corners, const float* places, float wall_weight,
                      unsigned char* kinds, float* quadrics) {
    FOR_EACH(v, count) {
        const int* list = corners + starts[v];
        int n = valences[v], going_out = 0, kind = INTERIOR;
        Quadric sum = {{0, 0, 0, 0, 0, 0}, {0, 0, 0}, 0};
        Quadric walls = sum;
        for (int k = 0; k < n; ++k) {
            int c = list[k], next = faces[after(c)], last = faces[before(c)];
            int first = c - c % 3;
            Vec p = load(places, faces[first]);
            Vec doubled = cross(load(places, faces[first + 1]) - p, load(places, faces[first + 2]) - p);
            float length = sqrtf(dot(doubled, doubled));
            Vec normal = {0, 0, 0};
            if (length > 1e-15f) normal = doubled * (1 / length);
            sum = sum + plane(normal, length / 6);
            int there, back;
            for (int side = 0; side < 2; ++side) {
                runs(faces, list, n, side ? last : next, there, back);
                if (there > 1 || back > 1) kind = FIXED;
                bool open = side ? there == 0 : back == 0;
                if (!open) continue;
                if (kind != FIXED) kind = 1;
                if (!side) ++going_out;
                Vec start = side ? load(places, last) : load(places, v);
                Vec end = side ? load(places, v) : load(places, next);
                Vec wall = cross(end - start, normal);
                float width2 = dot(wall, wall);
                float width = sqrtf(width2);
                walls = walls + plane(wall * (1 / (width > 1e-30f ? width : 1e-30f)), wall_weight * width2);
            }
        }
        if (going_out > 1) kind = FIXED;
        kinds[v] = (unsigned char)kind;
        store_quadric(quadrics, v, sum + walls);
    }
}

// ---- what edges cost ----

// Cost of merging u and v, and where the merged vertex would stand (quadrics.price_edges).
DEVICE float price_edge(const Mesh& m, int u, int v, float ridge, float length_cost, float most_reach,
                        Vec& at) {
    Vec pu = load(m.places, u), pv = load(m.places, v), half = (pv - pu) * 0.5f;
    Quadric total = moved(load_quadric(m.quadrics, u), half) +
                    moved(load_quadric(m.quadrics, v), half * -1.0f);
    float half2 = dot(half, half), size = trace(total.a);
    float along = 2 * dot(total.b, half), bend = dot(half, multiply(total.a, half));
    float cost_u = total.c - along + bend, cost_v = total.c + along + bend;
    Vec step = solve(total.a, total.b * -1.0f, ridge * size + 1e-30f);
    float step2 = dot(step, step);
    float reach = most_reach * sqrtf(half2 / (step2 > 1e-38f ? step2 : 1e-38f));
    step = step * (reach < 1 ? reach : 1.0f);
    float cost = total.c + 2 * dot(total.b, step) + dot(step, multiply(total.a, step));
    bool take_u = cost_u <= cost && cost_u <= cost_v, take_v = !take_u && cost_v <= cost;
    int kind_u = m.kinds[u], kind_v = m.kinds[v];
    if (kind_u != kind_v) take_u = kind_u > kind_v, take_v = !take_u;
    cost = take_u ? cost_u : take_v ? cost_v : cost;
    at = take_u ? pu : take_v ? pv : (pu + pv) * 0.5f + step;
    float root = sqrtf(sqrtf(size));
    float full = (cost > 0 ? cost : 0.0f) + 4 * length_cost * size * half2;
    return root > 0 ? full / root : 0.0f;
}

// One price an edge, at one of its half edges; the others get none (infinity).
KERNEL price(int count, const int* faces, const int* starts, const int* valences,
             const int* corners, const float* places, const float* quadrics,
             const unsigned char* kinds, float ridge, float length_cost, float most_reach,
             float* costs, int* histogram) {
    Mesh m = {faces, starts, valences, corners, places, quadrics, kinds};
    FOR_EACH(h, count) {
        int u = faces[h], v = faces[after(h)];
        bool wanted = u < v;
        if (!wanted && kinds[u] != INTERIOR && kinds[v] != INTERIOR) { // perhaps there is no twin
            int there, back;
            runs(faces, corners + starts[u], valences[u], v, there, back);
            wanted = back == 0;
        }
        int nu = valences[u], nv = valences[v];
        wanted = wanted && kinds[u] != FIXED && kinds[v] != FIXED;
        wanted = wanted && nu <= MOST_FACES && nv <= MOST_FACES && nu + nv <= MOST_FACES + 4;
        costs[h] = INFINITY;
        if (!wanted) continue;
        Vec at;
        float cost = price_edge(m, u, v, ridge, length_cost, most_reach, at);
        if (!(cost < INFINITY)) continue;
        costs[h] = cost;
        atomicAdd(&histogram[__float_as_int(cost) >> 15], 1);
    }
}

// ---- which of them are merged ----

// The order in which edges are asked: coarse price, then a scrambled number; smaller is first.
DEVICE u64 rank_of(float cost, int half_edge) {
    unsigned number = unsigned(half_edge) * 2654435769u;
    number = (number ^ (number >> 15)) * 2246822519u;
    return u64(__float_as_int(cost) >> 20) << 32 | (number ^ (number >> 13));
}

// All edges whose price is in a histogram bin up to `bin[0]`.
KERNEL choose(int count, const float* costs, const int* bin, int* chosen, int* state, int* tally) {
    FOR_EACH(h, count) {
        if (!(costs[h] < INFINITY) || (__float_as_int(costs[h]) >> 15) > bin[0]) continue;
        int slot = atomicAdd(&tally[0], 1);
        chosen[slot] = h;
        state[slot] = PENDING;
    }
}

// Every pending candidate is noted at both ends; the one of the smallest rank stays there.
KERNEL offer(const int* tally, const int* chosen, const float* costs, const int* faces,
             const int* marks, int round, long long epoch, int* state, u64* least) {
    FOR_EACH(i, tally[0]) {
        if (state[i] != PENDING) continue;
        int h = chosen[i], u = faces[h], v = faces[after(h)];
        if (marks[u] == round || marks[v] == round) {
            state[i] = OUT;
            continue;
        }
        u64 key = u64(epoch) << 48 | rank_of(costs[h], h);
        atomicMin(&least[u], key);
        atomicMin(&least[v], key);
    }
}

// Candidates that are the first at both ends. A kernel of its own, so that the threads of `judge`
// all have work. tally: candidates, merges, faces that go, then the winners of each time of asking
KERNEL list_winners(int* tally, int time, const int* chosen, const float* costs, const int* faces,
                    long long epoch, const u64* least, const int* state, int* winners) {
    FOR_EACH(i, tally[0]) {
        if (state[i] != PENDING) continue;
        int h = chosen[i], u = faces[h], v = faces[after(h)];
        u64 key = u64(epoch) << 48 | rank_of(costs[h], h);
        if (least[u] == key && least[v] == key) winners[atomicAdd(&tally[3 + time], 1)] = i;
    }
}

// What the lanes of a warp know of an edge: a face around u for each of the first lanes, then one
// around v for each (MOST_FACES + 4 in all).
struct Around {
    int at_u, count;       // lanes for u, and for both
    Lane<int> next, last;  // the other corners of the face
    Lane<bool> goes;       // the face has both ends
};

DEVICE void look_around(const Mesh& m, int u, int v, Around& a) {
    a.at_u = m.valences[u];
    a.count = a.at_u + m.valences[v];
    EACH_LANE(k) {
        bool here = k < a.at_u;
        a.next[k] = a.last[k] = -1;
        if (k < a.count) {
            int corner = m.corners[here ? m.starts[u] + k : m.starts[v] + k - a.at_u];
            a.next[k] = m.faces[after(corner)];
            a.last[k] = m.faces[before(corner)];
        }
        int other = here ? v : u;
        a.goes[k] = k < a.count && (a.next[k] == other || a.last[k] == other);
    }
}

// A cheaper candidate is near.
DEVICE bool disturbed(Around& a, const u64* least, u64 key) {
    Lane<bool> cheaper;
    EACH_LANE(k) {
        cheaper[k] = false;
        if (k < a.count) {
            u64 p = least[a.next[k]], q = least[a.last[k]];
            cheaper[k] = (p >> 48 == key >> 48 && p < key) || (q >> 48 == key >> 48 && q < key);
        }
    }
    return lanes_with(cheaper) != 0;
}

// Faces that go, or 0 if the merge would change the topology (the link condition).
DEVICE int faces_that_go(Around& a, int v) {
    Lane<bool> next_shared, last_shared, last_follows;
    EACH_LANE(k) next_shared[k] = last_shared[k] = last_follows[k] = false;
    for (int j = 0; j < a.count; ++j) {
        int p = of_lane(a.next, j), q = of_lane(a.last, j);
        EACH_LANE(k) {
            if (j < a.at_u) {
                last_follows[k] |= a.last[k] == p;
            } else {
                next_shared[k] |= a.next[k] == p || a.next[k] == q;
                last_shared[k] |= a.last[k] == p || a.last[k] == q;
            }
        }
    }
    Lane<bool> goes;
    Lane<int> opposite;
    EACH_LANE(k) {
        bool here = k < a.at_u;
        goes[k] = here && a.goes[k];
        opposite[k] = a.next[k] == v ? a.last[k] : a.next[k];
        next_shared[k] = here && next_shared[k];
        // Around an inner vertex every neighbour follows once; a border's last one only precedes.
        last_shared[k] = here && last_shared[k] && !last_follows[k];
    }
    unsigned sheets = lanes_with(goes);
    int count = ones(sheets);
    if (count < 1 || count > 2) return 0;
    if (ones(lanes_with(next_shared)) + ones(lanes_with(last_shared)) != count) return 0;
    // Both corners of a face are opposite of the edge, at u and at v: two faces would fall together.
    int p = of_lane(opposite, lowest(sheets)), q = of_lane(opposite, highest(sheets));
    Lane<bool> capped_u, capped_v;
    EACH_LANE(k) {
        bool both = (a.next[k] == p || a.next[k] == q) && (a.last[k] == p || a.last[k] == q);
        capped_u[k] = both && k < a.at_u;
        capped_v[k] = both && k >= a.at_u && k < a.count;
    }
    unsigned caps_u = lanes_with(capped_u), caps_v = lanes_with(capped_v);
    return caps_u && caps_v ? 0 : count;
}

struct Shape {
    Vec normal;
    float area2, edges2;
};
DEVICE Shape shape(Vec apex, Vec a, Vec b) {
    Vec to_a = a - apex, to_b = b - apex, rest = b - a, normal = cross(to_a, to_b);
    float edges = dot(to_a, to_a) + dot(to_b, to_b) + dot(rest, rest);
    return {normal, dot(normal, normal), edges * edges};
}

// A face that stays would turn too far, or become thinner than allowed.
DEVICE bool spoiled(Vec apex, Vec a, Vec b, Vec move, float min_cosine, float min_shape) {
    Shape old = shape(apex, a, b), now = shape(move, a, b);
    if (!(now.area2 > 0)) return true;
    if (now.area2 < min_shape * now.edges2 && now.area2 * old.edges2 < old.area2 * now.edges2)
        return true;
    if (old.area2 < 1e-12f * old.edges2) return false; // its normal means nothing
    float turn = dot(old.normal, now.normal);
    return turn <= 0 || turn * turn < min_cosine * min_cosine * old.area2 * now.area2;
}

// How far to move from `at` so that the volume below the faces stays. The corners are told from `at`.
DEVICE Vec volume_keeping_move(const Mesh& m, Around& a, int u, int v, Lane<Vec>& next,
                               Lane<Vec>& last, Vec apex_u, Vec apex_v, float volume_ridge,
                               float volume_reach) {
    Lane<float> x, y, z, height;
    EACH_LANE(k) {
        Vec apex = k < a.at_u ? apex_u : apex_v;
        bool counts = k < a.at_u || (k < a.count && !a.goes[k]);
        Vec part = cross(next[k] - apex, last[k] - apex);
        x[k] = counts ? part.x : 0.0f;
        y[k] = counts ? part.y : 0.0f;
        z[k] = counts ? part.z : 0.0f;
        height[k] = counts ? dot(apex, cross(next[k], last[k])) : 0.0f;
    }
    Vec normal = {sum(x), sum(y), sum(z)};
    float volume = sum(height);
    Symmetric metric = load_quadric(m.quadrics, u).a + load_quadric(m.quadrics, v).a;
    Vec along = solve(metric, normal, volume_ridge * trace(metric));
    float slope = dot(normal, along);
    if (!(slope > 0)) return {0, 0, 0};
    Vec step = along * (volume / slope), edge = apex_v - apex_u;
    float length2 = dot(edge, edge), step2 = dot(step, step);
    if (step2 > 1e-10f * length2 && step2 <= volume_reach * length2) return step;
    return {0, 0, 0};
}

// Winners that no cheaper candidate is near are merged where that is allowed, and mark all vertices
// around. A warp for each: one thread would wait for dozens of loads, one after the other.
KERNEL judge(int* tally, int time, const int* winners, const int* chosen, const float* costs,
             const int* faces, const int* starts, const int* valences, const int* corners,
             const float* places, const float* quadrics, const unsigned char* kinds, float ridge,
             float length_cost, float most_reach, float volume_ridge, float volume_reach,
             float min_cosine, float min_shape, int round, long long epoch, const u64* least,
             int* state, int* marks, int* merged, int* removed, float* at) {
    Mesh m = {faces, starts, valences, corners, places, quadrics, kinds};
    FOR_EACH_WARP(w, tally[3 + time]) {
        int i = winners[w], h = chosen[i], u = faces[h], v = faces[after(h)];
        u64 key = u64(epoch) << 48 | rank_of(costs[h], h);
        Around a;
        look_around(m, u, v, a);
        if (disturbed(a, least, key)) continue;
        int sheets = faces_that_go(a, v);
        bool free = kinds[u] == INTERIOR && kinds[v] == INTERIOR;
        bool torn = sheets == 2 && kinds[u] != INTERIOR && kinds[v] != INTERIOR;
        Vec place, move = {0, 0, 0};
        price_edge(m, u, v, ridge, length_cost, most_reach, place);
        Vec apex_u = load(places, u) - place, apex_v = load(places, v) - place;
        Lane<Vec> next, last;
        EACH_LANE(k) {
            next[k] = last[k] = {0, 0, 0};
            if (k < a.count) {
                next[k] = load(places, a.next[k]) - place;
                last[k] = load(places, a.last[k]) - place;
            }
        }
        if (free)
            move = volume_keeping_move(m, a, u, v, next, last, apex_u, apex_v, volume_ridge,
                                       volume_reach);
        Lane<bool> bad;
        EACH_LANE(k) {
            Vec apex = k < a.at_u ? apex_u : apex_v;
            bad[k] = k < a.count && !a.goes[k] &&
                     spoiled(apex, next[k], last[k], move, min_cosine, min_shape);
        }
        bool allowed = sheets > 0 && !torn && lanes_with(bad) == 0;
        EACH_LANE(k) {
            if (allowed && k < a.count) marks[a.next[k]] = marks[a.last[k]] = round;
            if (k > 0) continue;
            state[i] = allowed ? TAKEN : OUT;
            if (!allowed) continue;
            int slot = atomicAdd(&tally[1], 1);
            atomicAdd(&tally[2], sheets);
            merged[slot] = i;
            removed[slot] = sheets;
            store(at, i, place + move);
        }
    }
}

KERNEL ranks_of(int count, const int* merged, const int* chosen, const float* costs, u64* ranks) {
    FOR_EACH(i, count) ranks[i] = rank_of(costs[chosen[merged[i]]], chosen[merged[i]]);
}

// ---- merging ----

KERNEL merge(int count, const int* merged, const int* chosen, const float* at, const int* faces,
             float* places, float* quadrics, unsigned char* kinds, int* into) {
    FOR_EACH(i, count) {
        int slot = merged[i], h = chosen[slot], u = faces[h], v = faces[after(h)];
        Vec to = load(at, slot);
        Quadric total = moved(load_quadric(quadrics, u), to - load(places, u)) +
                        moved(load_quadric(quadrics, v), to - load(places, v));
        store_quadric(quadrics, u, total);
        store(places, u, to);
        if (kinds[v] > kinds[u]) kinds[u] = kinds[v];
        into[v] = u;
    }
}

KERNEL relabel(int count, const int* into, int* faces, int* stays) {
    FOR_EACH(f, count) {
        int a = into[faces[3 * f]], b = into[faces[3 * f + 1]], c = into[faces[3 * f + 2]];
        faces[3 * f] = a, faces[3 * f + 1] = b, faces[3 * f + 2] = c;
        stays[f] = a != b && b != c && c != a;
    }
}

KERNEL compact(int count, const int* faces, const int* stays, const int* ends, int* to) {
    FOR_EACH(f, count) {
        if (!stays[f]) continue;
        int slot = 3 * (ends[f] - 1);
        for (int k = 0; k < 3; ++k) to[slot + k] = faces[3 * f + k];
    }
}

// Where a vertex went in the end.
KERNEL follow(int count, const int* into, int* home) {
    FOR_EACH(v, count) {
        int at = v;
        while (into[at] != at) at = into[at];
        home[v] = at;
    }
}
