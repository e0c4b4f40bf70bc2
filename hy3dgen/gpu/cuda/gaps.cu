// SPDX-License-Identifier: Apache-2.0
// The colours of a picture's gaps, as mesh/native/inpaint.cpp fills them, byte for byte.
//
// A warp has a pixel, a lane one of its neighbours. Each waits for those around it that are reached
// before it. They are taken by how long a chain of such there is before them, so that all places of
// all fronts move at once; in the order in which they are reached, most would wait for a neighbour.
#include "vectors.cuh"

// A word holds a pixel's three colours and, in its highest byte, whether they are there: who waits
// for it sees all of that at once. Arrays have a rim of one pixel.
struct GappedPicture {
    const unsigned* ranks;       // when a pixel is reached, from 1; 0: it is no gap
    const unsigned char* given;  // H x W x 3, as it was
    const volatile unsigned* words;
    int height, width, stride;
};

constexpr float TINY = 1e-20f, FLAT = 1e-6f;
constexpr int NEIGHBOURS = 28;  // within three pixels

DEVICE int row_of(int k) {
    return k < 1 ? -3 : k < 6 ? -2 : k < 11 ? -1 : k < 17 ? 0 : k < 22 ? 1 : k < 27 ? 2 : 3;
}
DEVICE int column_of(int k) {
    return k % 27 == 0 ? 0
         : k < 6 ? k - 3 : k < 11 ? k - 8 : k < 14 ? k - 14 : k < 17 ? k - 13 : k < 22 ? k - 19 : k - 24;
}

DEVICE Vec unpacked(unsigned word) {
    return {float(word & 255), float(word >> 8 & 255), float(word >> 16 & 255)};
}

// A pixel's colours as one of rank `now` finds them. Only at the picture's rim are pixels looked at
// that may not have been reached by then.
DEVICE Vec seen(const GappedPicture& picture, unsigned now, int at, bool at_rim) {
    if (at_rim && picture.ranks[at] >= now) {
        int row = at / picture.stride - 1, column = at % picture.stride - 1;
        const unsigned char* pixel = picture.given + 3 * (row * picture.width + column);
        return {float(pixel[0]), float(pixel[1]), float(pixel[2])};
    }
    unsigned word = picture.words[at];
    while (!(word >> 24)) word = picture.words[at];
    return unpacked(word);
}

DEVICE Vec size_of(Vec a) { return {fabsf(a.x), fabsf(a.y), fabsf(a.z)}; }

// See `slope` in inpaint.cpp.
DEVICE Vec slope(const GappedPicture& picture, unsigned now, int before, int after, int first, int low,
                 int high, int last, bool at_rim) {
    bool has_before = picture.ranks[before] < now, has_after = picture.ranks[after] < now;
    Vec up = {0, 0, 0}, down = {0, 0, 0};
    if (has_after) up = size_of(seen(picture, now, last, at_rim) - seen(picture, now, high, at_rim));
    if (has_before) down = size_of(seen(picture, now, low, at_rim) - seen(picture, now, first, at_rim));
    if (!has_before) return up + up;
    return has_after ? up + down : down + down;
}

DEVICE float weight_of(float nearness, float squared, float row, float column, float down, float right) {
    // Whole numbers up to the root, and exact.
    float along = fabsf(right * row - down * column);
    float share = __fdiv_rn(along, __fsqrt_rn(squared * (down * down + right * right)));
    // Where nothing changes there is no line to follow.
    return __fmul_rn(nearness, along > 0 ? share : FLAT);
}

// What neighbour `k` of the pixel `at` says: its weight and its weighted colour, for three colours.
DEVICE void ask(const GappedPicture& picture, int at, int k, float* weights, float* colours) {
    for (int c = 0; c < 3; ++c) weights[c] = colours[c] = 0;
    if (k >= NEIGHBOURS) return;
    int stride = picture.stride, down = row_of(k), right = column_of(k);
    int y = at / stride + down, x = at % stride + right, p = at + down * stride + right;
    if (y < 1 || x < 1 || y > picture.height || x > picture.width) return;
    unsigned now = picture.ranks[at];
    if (picture.ranks[p] >= now) return;
    Vec fall, turn;
    bool at_rim = y == 1 || x == 1 || y == picture.height || x == picture.width;
    int top = p + (y == 1 ? stride : 0), bottom = p - (y == picture.height ? stride : 0);
    int left = x == 1 ? 1 : 0, back = x == picture.width ? 1 : 0;
    fall = slope(picture, now, p - stride, p + stride, top + left - stride, bottom + left,
                 bottom + left, bottom + left + stride, at_rim);
    turn = slope(picture, now, p - 1, p + 1, top + left - 1, top + left, top + left, top - back + 1,
                 at_rim);
    Vec here = seen(picture, now, p, false);
    float squared = float(down * down + right * right);
    float nearness = __fdiv_rn(1, squared * squared + 1);
    const float falls[3] = {fall.x, fall.y, fall.z}, turns[3] = {turn.x, turn.y, turn.z};
    const float values[3] = {here.x, here.y, here.z};
    for (int c = 0; c < 3; ++c) {
        weights[c] = weight_of(nearness, squared, float(down), float(right), falls[c], turns[c]);
        colours[c] = __fmul_rn(weights[c], values[c]);
    }
}

// `order` lists the pixels, each after all that it looks at; `words` and `ranks` are (height + 2) x (width + 2).
KERNEL fill_gaps(int count, const int* order, const unsigned* ranks, const unsigned char* given,
                 unsigned* words, int* ticket, int height, int width) {
    GappedPicture picture = {ranks, given, words, height, width, width + 2};
    FOR_EACH_PIECE(i, count, ticket) {
        int at = order[i];
        Lane<float> weights[3], colours[3];
        EACH_LANE(k) {
            float weight[3], colour[3];
            ask(picture, at, k, weight, colour);
            for (int c = 0; c < 3; ++c) weights[c][k] = weight[c], colours[c][k] = colour[c];
        }
        float sums[3] = {0, 0, 0}, totals[3] = {TINY, TINY, TINY};
        for (int k = 0; k < NEIGHBOURS; ++k)
            for (int c = 0; c < 3; ++c) {
                sums[c] = __fadd_rn(sums[c], of_lane(colours[c], k));
                totals[c] = __fadd_rn(totals[c], of_lane(weights[c], k));
            }
        unsigned word = 1u << 24;
        for (int c = 0; c < 3; ++c) {
            int value = __double2int_rn(double(sums[c]) / double(totals[c]));
            word |= unsigned(value < 0 ? 0 : value > 255 ? 255 : value) << 8 * c;
        }
        EACH_LANE(k) if (k == 0) *const_cast<volatile unsigned*>(&words[at]) = word;
    }
}
