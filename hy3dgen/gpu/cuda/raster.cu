// SPDX-License-Identifier: Apache-2.0
// Draws faces into a picture, with the roundings of texgen/rasterizer_torch.py: no product is added
// to anything before it is rounded.
#include "vectors.cuh"

constexpr int PIECE = 512;  // pixels of a face's box that a warp looks at
constexpr long long FACE_LIMIT = 2147483647;
constexpr u64 NOTHING = 9223372036854775807ull;
constexpr float DEPTH_STEPS = 262144;

struct Point {
    float x, y, z, w;
};
DEVICE Point point(const float* points, int i) {
    return {points[4 * i], points[4 * i + 1], points[4 * i + 2], points[4 * i + 3]};
}

DEVICE float doubled_area(Point a, Point b, Point c) {
    return __fadd_rn(__fmul_rn(c.x - a.x, b.y - a.y), -__fmul_rn(b.x - a.x, c.y - a.y));
}

// The weights of a face's corners at the middle of a pixel.
DEVICE Vec weights_at(const Point* corners, float inverse, int column, int row) {
    Point middle = {float(column) + 0.5f, float(row) + 0.5f, 0, 0};
    float second = __fmul_rn(doubled_area(corners[0], middle, corners[2]), inverse);
    float third = __fmul_rn(doubled_area(corners[0], corners[1], middle), inverse);
    return {float(1.0 - double(second) - double(third)), second, third};
}

DEVICE float load_face(const float* points, const int* faces, int face, Point* corners) {
    for (int k = 0; k < 3; ++k) corners[k] = point(points, faces[3 * face + k]);
    return float(1.0 / double(doubled_area(corners[0], corners[1], corners[2])));
}

DEVICE bool is_share(float x) { return x >= 0 && x <= 1; }

// The least depth that is drawn at a pixel; `prior` may be null.
DEVICE float nearest_depth(const float* prior, int pixel) {
    if (!prior) return 0;
    return __fadd_rn(__fadd_rn(__fmul_rn(prior[pixel], 0.49999f), 0.5f), 0.000001f);
}

// `owners` and `starts` name the face and the first pixel of its box for each of `count` pieces;
// `boxes` F x 4 have the box's first column and row, and how many of each there are.
KERNEL draw_faces(int count, const int* owners, const int* starts, const float* points,
                  const int* faces, const int* boxes, const float* prior, u64* keys, int width) {
    FOR_EACH_WARP(i, count) {
        int face = owners[i];
        const int* box = boxes + 4 * face;
        int end = box[2] * box[3];
        if (end > starts[i] + PIECE) end = starts[i] + PIECE;
        Point corners[3];
        float inverse = load_face(points, faces, face, corners);
        EACH_LANE(k) for (int at = starts[i] + k; at < end; at += 32) {
            int column = box[0] + at % box[2], row = box[1] + at / box[2];
            Vec share = weights_at(corners, inverse, column, row);
            if (!(is_share(share.x) && is_share(share.y) && is_share(share.z))) continue;
            float depth = __fadd_rn(__fmul_rn(share.x, corners[0].z), __fmul_rn(share.y, corners[1].z));
            depth = __fadd_rn(depth, __fmul_rn(share.z, corners[2].z));
            int pixel = row * width + column;
            if (!(depth >= nearest_depth(prior, pixel) && depth < 1e9f)) continue;
            long long steps = (long long)(__fmul_rn(depth, DEPTH_STEPS));
            u64 key = u64(steps * FACE_LIMIT + face + 1);
            if (key < keys[pixel]) atomicMin(&keys[pixel], key);
        }
    }
}

// Face numbers from 1 and weights corrected for perspective, of all `count` pixels.
KERNEL read_faces(int count, const u64* keys, const float* points, const int* faces, int width,
                  int* numbers, float* weights) {
    FOR_EACH(i, count) {
        numbers[i] = 0;
        store(weights, i, Vec{0, 0, 0});
        if (keys[i] == NOTHING) continue;
        int face = int(keys[i] % u64(FACE_LIMIT)) - 1;
        Point corners[3];
        float inverse = load_face(points, faces, face, corners);
        Vec share = weights_at(corners, inverse, i % width, i / width);
        share = {__fdiv_rn(share.x, corners[0].w), __fdiv_rn(share.y, corners[1].w),
                 __fdiv_rn(share.z, corners[2].w)};
        float all = __fdiv_rn(1, __fadd_rn(__fadd_rn(share.x, share.y), share.z));
        numbers[i] = face + 1;
        store(weights, i, Vec{__fmul_rn(share.x, all), __fmul_rn(share.y, all), __fmul_rn(share.z, all)});
    }
}
