// SPDX-License-Identifier: Apache-2.0
// The colours of a picture's gaps, as mesh/native/inpaint.cpp fills them, byte for byte.
//
// A warp has a pixel, a lane one of its neighbours. First the warp waits for all that is looked at
// and was reached before; then it looks at its own copy of that. Pixels are taken by how long a chain
// there is before them, so that all places of all fronts move at once; in the order in which they are
// reached, most would wait for a neighbour.
#include "vectors.cuh"

constexpr float TINY = 1e-20f, FLAT = 1e-6f;
constexpr int NEIGHBOURS = 28;  // within three pixels
constexpr int REACH = 4, SIDE = 2 * REACH + 1;  // of what is looked at: a slope is one pixel wider

#ifdef __CUDACC__
#define OWN_COPY(name)                              \
    __shared__ unsigned copies_[4][SIDE * SIDE]; \
    unsigned* name = copies_[threadIdx.x / 32]
#define WAIT_FOR_LANES() __syncwarp()
#else
#define OWN_COPY(name) unsigned name[SIDE * SIDE]
#define WAIT_FOR_LANES()
#endif

// A word holds a pixel's three colours and, in its highest byte, whether they are there: who waits
// for it sees all of that at once. Arrays have a rim of one pixel.
struct GappedPicture {
    const unsigned* ranks;       // when a pixel is reached, from 1; 0: it is no gap
    const unsigned char* given;  // H x W x 3, as it was
    const volatile unsigned* words;
    int height, width, stride;
};

DEVICE int row_of(int k) {
    return k < 1 ? -3 : k < 6 ? -2 : k < 11 ? -1 : k < 17 ? 0 : k < 22 ? 1 : k < 27 ? 2 : 3;
}
DEVICE int column_of(int k) {
    return k % 27 == 0 ? 0
         : k < 6 ? k - 3 : k < 11 ? k - 8 : k < 14 ? k - 14 : k < 17 ? k - 13 : k < 22 ? k - 19 : k - 24;
}

// What is looked at; no more, because only that is in the order's account (`Levels` in inpaint.cpp).
DEVICE bool is_looked_at(int down, int right) {
    int rows = down < 0 ? -down : down, columns = right < 0 ? -right : right;
    return rows <= REACH && columns <= (rows < 2 ? REACH : REACH + 1 - rows);
}

// Where the word of a pixel is that the one at `at` looks at, or -1: it is not reached by then, and
// `word`, without the highest byte, has the colours that it had at first. At the picture's rim those
// count too.
DEVICE int place_beside(const GappedPicture& picture, int at, int down, int right, unsigned& word) {
    int y = at / picture.stride + down, x = at % picture.stride + right;
    word = 0;
    if (!is_looked_at(down, right)) return -1;
    if (y < 0 || x < 0 || y > picture.height + 1 || x > picture.width + 1) return -1;
    int p = at + down * picture.stride + right;
    if (picture.ranks[p] < picture.ranks[at]) return p;
    const unsigned char* pixel = picture.given + 3 * ((y - 1) * picture.width + x - 1);
    word = pixel[0] | pixel[1] << 8 | pixel[2] << 16;
    return -1;
}

// Lane `k` copies its part of the words around a pixel, as soon as all of them are there.
DEVICE void copy_around(const GappedPicture& picture, int at, int k, unsigned* near) {
    constexpr int EACH = (SIDE * SIDE + 31) / 32;
    int places[EACH];
    unsigned words[EACH];
    for (int i = 0; i < EACH; ++i) {
        int n = k + 32 * i;
        places[i] = place_beside(picture, at, n / SIDE - REACH, n % SIDE - REACH, words[i]);
    }
    for (bool waits = true; waits;) {
        waits = false;
        for (int i = 0; i < EACH; ++i)  // all are on their way at once
            if (places[i] >= 0) words[i] = picture.words[places[i]];
        for (int i = 0; i < EACH; ++i) {
            if (words[i] >> 24) places[i] = -1;
            waits = waits || places[i] >= 0;
        }
    }
    for (int i = 0; i < EACH; ++i)
        if (k + 32 * i < SIDE * SIDE) near[k + 32 * i] = words[i];
}

DEVICE Vec unpacked(unsigned word) {
    return {float(word & 255), float(word >> 8 & 255), float(word >> 16 & 255)};
}

DEVICE Vec change(unsigned from, unsigned to) {
    Vec by = unpacked(to) - unpacked(from);
    return {fabsf(by.x), fabsf(by.y), fabsf(by.z)};
}

// See `slope` in inpaint.cpp.
DEVICE Vec slope(unsigned before, unsigned after, unsigned first, unsigned low, unsigned high, unsigned last) {
    Vec none = {0, 0, 0};
    Vec down = before >> 24 ? change(first, low) : none, up = after >> 24 ? change(high, last) : none;
    return !(before >> 24) ? up + up : after >> 24 ? up + down : down + down;
}

DEVICE float weight_of(float nearness, float squared, float row, float column, float down, float right) {
    // Whole numbers up to the root, and exact.
    float along = fabsf(right * row - down * column);
    float share = __fdiv_rn(along, __fsqrt_rn(squared * (down * down + right * right)));
    // Where nothing changes there is no line to follow.
    return __fmul_rn(nearness, along > 0 ? share : FLAT);
}

// What neighbour `k` of the pixel `at` says: its weight and its weighted colour, for three colours.
DEVICE void ask(const GappedPicture& picture, const unsigned* near, int at, int k, float* weights,
                float* colours) {
    for (int c = 0; c < 3; ++c) weights[c] = colours[c] = 0;
    if (k >= NEIGHBOURS) return;
    int down = row_of(k), right = column_of(k);
    int y = at / picture.stride + down, x = at % picture.stride + right;
    if (y < 1 || x < 1 || y > picture.height || x > picture.width) return;
    const unsigned* p = near + (down + REACH) * SIDE + right + REACH;
    if (!(*p >> 24)) return;
    // At the picture's rim colours are read one pixel further in.
    const unsigned* top = p + (y == 1 ? SIDE : 0);
    const unsigned* bottom = p - (y == picture.height ? SIDE : 0);
    int left = x == 1 ? 1 : 0, back = x == picture.width ? 1 : 0;
    Vec fall = slope(p[-SIDE], p[SIDE], top[left - SIDE], bottom[left], bottom[left], bottom[left + SIDE]);
    Vec turn = slope(p[-1], p[1], top[left - 1], top[left], top[left], top[1 - back]);
    Vec here = unpacked(*p);
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
    OWN_COPY(near);
    FOR_EACH_PIECE(i, count, ticket) {
        int at = order[i];
        WAIT_FOR_LANES();
        EACH_LANE(k) copy_around(picture, at, k, near);
        WAIT_FOR_LANES();
        Lane<float> weights[3], colours[3];
        EACH_LANE(k) {
            float weight[3], colour[3];
            ask(picture, near, at, k, weight, colour);
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
