// SPDX-License-Identifier: Apache-2.0
// Moves the vertices of a reduced surface closer to the one it came from: the fused twin of
// refit.py, where reasons and sources are; fused_refit.py calls it.
//
// Sums over the samples of a vertex are whole numbers, so that any order gives the same.
#include "vectors.cuh"

// Weights add up to 1 and coordinates span 1, so no sum passes 2^62.
#define MATRIX_UNIT 1099511627776.0 * 4096.0     // 2^52
#define GRADIENT_UNIT 1099511627776.0 * 262144.0 // 2^58

DEVICE void add_whole(long long* to, double value) {
    atomicAdd((u64*)to, (u64)__double2ll_rn(value));
}

KERNEL face_normals(int count, const int* faces, const float* places, float* normals) {
    FOR_EACH(f, count) {
        Vec a = load(places, faces[3 * f]);
        Vec doubled = cross(load(places, faces[3 * f + 1]) - a, load(places, faces[3 * f + 2]) - a);
        float length = sqrtf(dot(doubled, doubled));
        store(normals, f, doubled * (1 / (length > 1e-30f ? length : 1e-30f)));
    }
}

// Barycentric weights of the triangle's point closest to p (Ericson, Real-Time Collision Detection,
// 5.1.5), and the squared distance.
DEVICE float closest_point(Vec p, Vec a, Vec b, Vec c, Vec& shares) {
    Vec ab = b - a, ac = c - a, ap = p - a;
    float d1 = dot(ab, ap), d2 = dot(ac, ap);
    float d3 = d1 - dot(ab, ab), d4 = d2 - dot(ab, ac), d5 = d1 - dot(ab, ac), d6 = d2 - dot(ac, ac);
    float va = d3 * d6 - d5 * d4, vb = d5 * d2 - d1 * d6, vc = d1 * d4 - d3 * d2;
    float v, w;
    if (d1 <= 0 && d2 <= 0) {
        v = 0, w = 0;
    } else if (d3 >= 0 && d4 <= d3) {
        v = 1, w = 0;
    } else if (vc <= 0 && d1 >= 0 && d3 <= 0) {
        float length = d1 - d3;
        v = d1 / (length > 1e-38f ? length : 1e-38f), w = 0;
    } else if (d6 >= 0 && d5 <= d6) {
        v = 0, w = 1;
    } else if (vb <= 0 && d2 >= 0 && d6 <= 0) {
        float length = d2 - d6;
        v = 0, w = d2 / (length > 1e-38f ? length : 1e-38f);
    } else if (va <= 0 && d4 >= d3 && d5 >= d6) {
        float rest = (d4 - d3) + (d5 - d6);
        w = (d4 - d3) / (rest > 1e-38f ? rest : 1e-38f), v = 1 - w;
    } else {
        float total = va + vb + vc;
        if (!(fabsf(total) > 1e-38f)) total = 1e-38f;
        v = vb / total, w = vc / total;
    }
    Vec offset = ap - ab * v - ac * w;
    shares = {1 - v - w, v, w};
    return dot(offset, offset);
}

// For each sample a face near its vertex that looks the same way, -1 where there is none.
KERNEL closest_face(int count, const float* samples, const float* normals, const int* home,
                    const int* faces, const int* starts, const int* valences, const int* corners,
                    const float* places, const float* face_normals, int hops, float min_agreement,
                    int* best_face, float* best_shares) {
    FOR_EACH(s, count) {
        Vec p = load(samples, s), n = load(normals, s), shares = {0, 0, 0};
        int vertex = home[s], found = -1;
        float best = INFINITY;
        for (int hop = 0; hop < hops; ++hop) {
            const int* list = corners + starts[vertex];
            for (int k = 0; k < valences[vertex]; ++k) {
                int f = list[k] / 3;
                if (dot(load(face_normals, f), n) < min_agreement) continue;
                Vec weights;
                float distance2 =
                    closest_point(p, load(places, faces[3 * f]), load(places, faces[3 * f + 1]),
                                  load(places, faces[3 * f + 2]), weights);
                if (!(distance2 < best)) continue;
                best = distance2, found = f, shares = weights;
            }
            if (found < 0) break;
            int nearest = shares.y > shares.x ? 1 : 0;
            if (shares.z > (nearest ? shares.y : shares.x)) nearest = 2;
            int next = faces[3 * found + nearest];
            if (next == vertex) break; // the same faces again
            vertex = next;
        }
        best_face[s] = found;
        store(best_shares, s, shares);
    }
}

// matrices (V, 6): sums over the samples of weight, share and outer product of the normal
KERNEL add_matrices(int count, const int* face, const float* shares, const float* normals,
                    const float* weights, const int* faces, long long* matrices) {
    FOR_EACH(s, count) {
        if (face[s] < 0) continue;
        Vec n = load(normals, s);
        for (int k = 0; k < 3; ++k) {
            double pull = MATRIX_UNIT * weights[s] * shares[3 * s + k];
            if (pull == 0) continue;
            long long* to = matrices + 6 * faces[3 * face[s] + k];
            add_whole(to, pull * n.x * n.x);
            add_whole(to + 1, pull * n.x * n.y);
            add_whole(to + 2, pull * n.x * n.z);
            add_whole(to + 3, pull * n.y * n.y);
            add_whole(to + 4, pull * n.y * n.z);
            add_whole(to + 5, pull * n.z * n.z);
        }
    }
}

// gradients (V, 3): how far samples are above the surface, along their normals
KERNEL add_gradients(int count, const int* face, const float* shares, const float* samples,
                     const float* normals, const float* weights, const int* faces, const float* now,
                     long long* gradients) {
    FOR_EACH(s, count) {
        if (face[s] < 0) continue;
        Vec n = load(normals, s), share = load(shares, s);
        const int* ends = faces + 3 * face[s];
        Vec at = load(now, ends[0]) * share.x + load(now, ends[1]) * share.y +
                 load(now, ends[2]) * share.z;
        double residual = GRADIENT_UNIT * weights[s] * dot(load(samples, s) - at, n);
        for (int k = 0; k < 3; ++k) {
            double pull = residual * shares[3 * s + k];
            if (pull == 0) continue;
            long long* to = gradients + 3 * ends[k];
            add_whole(to, pull * n.x);
            add_whole(to + 1, pull * n.y);
            add_whole(to + 2, pull * n.z);
        }
    }
}

// One step of all vertices that are free; empties the gradients.
KERNEL step(int count, const unsigned char* kinds, const long long* matrices, const float* places,
            float stay, long long* gradients, float* now) {
    FOR_EACH(v, count) {
        long long* g = gradients + 3 * v;
        const long long* row = matrices + 6 * v;
        const float unit = float(1 / (MATRIX_UNIT)), small = float(1 / (GRADIENT_UNIT));
        Symmetric a = {row[0] * unit, row[1] * unit, row[2] * unit,
                       row[3] * unit, row[4] * unit, row[5] * unit};
        Vec pull = {g[0] * small, g[1] * small, g[2] * small};
        g[0] = g[1] = g[2] = 0;
        float ridge = stay * trace(a);
        if (kinds[v] != 0 || !(ridge > 0)) continue;
        Vec at = load(now, v);
        pull = pull - (at - load(places, v)) * ridge;
        store(now, v, at + solve(a, pull, ridge));
    }
}

// turned: faces that turned too far, of this attempt and the one before
KERNEL find_turned(int count, const int* faces, const float* places, const float* now,
                   float max_turn, int attempt, int* turned, int* back) {
    FOR_EACH(f, count) {
        if (attempt > 0 && turned[attempt - 1] == 0) continue;
        const int* c = faces + 3 * f;
        Vec a = load(places, c[0]), b = load(now, c[0]);
        Vec old = cross(load(places, c[1]) - a, load(places, c[2]) - a);
        Vec next = cross(load(now, c[1]) - b, load(now, c[2]) - b);
        float turn = dot(old, next);
        if (turn > 0 && turn * turn >= max_turn * max_turn * dot(old, old) * dot(next, next)) continue;
        atomicAdd(&turned[attempt], 1);
        for (int k = 0; k < 3; ++k) back[c[k]] = 1;
    }
}

// The corners of those go back; after the last attempt all vertices do.
KERNEL put_back(int count, const float* places, int attempt, int last, const int* turned, int* back,
                float* now) {
    FOR_EACH(v, count) {
        if (turned[attempt] == 0) continue;
        if (back[v] || attempt == last) store(now, v, load(places, v));
        back[v] = 0;
    }
}
