// SPDX-License-Identifier: Apache-2.0
// Rows rounded to eight-bit floats (e4m3) with a scale each, by what makes the rows: so that a
// product of eight-bit floats needs no pass of its own before it. hy3dgen/gpu/float8_rows.py calls
// it, for GPUs that know such numbers. A warp for each row.
#include "rows.cuh"

#define HIDDEN 4096 // values of a hidden layer's row

struct alignas(8) Codes {
    unsigned char item[8];
};

// The nearest codes of eight values times `factor`; what is too large becomes the largest.
DEVICE Codes encode(const float* value, float factor) {
    Codes codes;
#ifdef __CUDACC__
    for (int i = 0; i < 8; i += 2) {
        unsigned short pair;
        asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;"
            : "=h"(pair) : "f"(value[i + 1] * factor), "f"(value[i] * factor));
        codes.item[i] = (unsigned char)(pair & 255);
        codes.item[i + 1] = (unsigned char)(pair >> 8);
    }
#else
    for (int i = 0; i < 8; ++i) {
        float size = fabsf(value[i] * factor);
        if (size > 448) size = 448;
        int exponent = (__float_as_int(size) >> 23) - 127;
        if (exponent < -6) exponent = -6;
        int units = int(__builtin_rintf(__builtin_ldexpf(size, 3 - exponent)));
        codes.item[i] = (unsigned char)((value[i] < 0 ? 128 : 0) + 8 * (exponent + 6) + units);
    }
#endif
    return codes;
}
DEVICE void store_codes(unsigned char* at, const Codes& codes) {
#ifdef __CUDACC__
    *(uint2*)at = *(const uint2*)&codes;
#else
    __builtin_memcpy(at, &codes, 8);
#endif
}

// What one code stands for in a row whose largest size this is.
DEVICE float step_of(float most) { return fmaxf(most, 1e-12f) / 448; }

// As gated_norm of transformer.cu.
template <bool BF>
DEVICE void gated_norm_codes_row(int row, int y_stride, unsigned short* x, const unsigned short* y,
                                 const unsigned short* gate, const unsigned short* shift,
                                 const unsigned short* scale, unsigned char* codes, float* steps) {
    Lane<Values> values;
    gated_row<BF>(row, y_stride, x, y, gate, true, values);
    Lane<float> most;
    EACH_LANE(k) {
        most[k] = 0;
        for (int piece = 0; piece < WIDTH / 256; ++piece) {
            int first = 256 * piece + 8 * k;
            Row by = load8(scale + first), plus = load8(shift + first);
            for (int i = 0; i < 8; ++i) {
                float& value = values[k].of[8 * piece + i];
                value = value * (1 + wide<BF>(by.item[i])) + wide<BF>(plus.item[i]);
                most[k] = fmaxf(most[k], fabsf(value));
            }
        }
    }
    float step = step_of(largest(most));
    EACH_LANE(k) {
        for (int piece = 0; piece < WIDTH / 256; ++piece)
            store_codes(codes + (long long)row * WIDTH + 256 * piece + 8 * k,
                        encode(values[k].of + 8 * piece, 1 / step));
        if (k == 0) steps[row] = step;
    }
}

KERNEL gated_norm_codes_half(int rows, int y_stride, unsigned short* x, const unsigned short* y,
                             const unsigned short* gate, const unsigned short* shift,
                             const unsigned short* scale, unsigned char* codes, float* steps) {
    FOR_EACH_WARP(row, rows)
    gated_norm_codes_row<false>(row, y_stride, x, y, gate, shift, scale, codes, steps);
}
KERNEL gated_norm_codes_bfloat(int rows, int y_stride, unsigned short* x, const unsigned short* y,
                               const unsigned short* gate, const unsigned short* shift,
                               const unsigned short* scale, unsigned char* codes, float* steps) {
    FOR_EACH_WARP(row, rows)
    gated_norm_codes_row<true>(row, y_stride, x, y, gate, shift, scale, codes, steps);
}

DEVICE float gelu(float x) { // tanh-approximated
    float inner = 0.7978845608f * x * (1 + 0.044715f * x * x);
#ifdef __CUDACC__
    float bent;
    asm("tanh.approx.f32 %0, %1;" : "=f"(bent) : "f"(inner)); // 11 bits, codes have 4
#else
    float bent = tanhf(inner);
#endif
    return 0.5f * x * (1 + bent);
}

// Which rows of the codes the rows of a source become: of every `tokens` the first `before` go one
// after the other from row `first` on, the others from row `second` on.
struct Places {
    int tokens, before, first, second;
};
DEVICE int place_of(int row, Places places) {
    int picture = row / places.tokens, token = row % places.tokens;
    return token < places.before
               ? places.first + picture * places.before + token
               : places.second + picture * (places.tokens - places.before) + token - places.before;
}

// Codes of rows `[x | gelu(hidden)]`; X and H are pieces of 256 values, and each may be none.
template <bool BF, int X, int H>
DEVICE void codes_row(int row, int x_stride, const unsigned short* x, int hidden_stride,
                      const unsigned short* hidden, Places places, unsigned char* codes,
                      float* steps) {
    struct Kept {
        Row of[X + H];
    };
    Lane<Kept> kept;
    Lane<float> most;
    EACH_LANE(k) {
        most[k] = 0;
#pragma unroll
        for (int piece = 0; piece < X + H; ++piece) {
            const unsigned short* from = piece < X
                                             ? x + (long long)row * x_stride + 256 * piece
                                             : hidden + (long long)row * hidden_stride +
                                                   256 * (piece - X);
            kept[k].of[piece] = load8(from + 8 * k);
        }
#pragma unroll
        for (int piece = 0; piece < X + H; ++piece)
            for (int i = 0; i < 8; ++i) {
                unsigned short& item = kept[k].of[piece].item[i];
                float value = wide<BF>(item);
                if (piece >= X) {
                    value = gelu(value);
                    item = narrow<BF>(value);
                }
                most[k] = fmaxf(most[k], fabsf(value));
            }
    }
    float step = step_of(largest(most));
    int place = place_of(row, places);
    unsigned char* to = codes + (long long)place * (256 * (X + H));
    EACH_LANE(k) {
#pragma unroll
        for (int piece = 0; piece < X + H; ++piece) {
            float value[8];
            for (int i = 0; i < 8; ++i) value[i] = wide<BF>(kept[k].of[piece].item[i]);
            store_codes(to + 256 * piece + 8 * k, encode(value, 1 / step));
        }
        if (k == 0) steps[place] = step;
    }
}

#define CODES(NAME, BF, X, H)                                                                      \
    KERNEL NAME(int rows, int x_stride, const unsigned short* x, int hidden_stride,                \
                const unsigned short* hidden, Places places, unsigned char* codes, float* steps) { \
        FOR_EACH_WARP(row, rows)                                                                   \
        codes_row<BF, X, H>(row, x_stride, x, hidden_stride, hidden, places, codes, steps);        \
    }
CODES(codes_of_rows_half, false, WIDTH / 256, 0)
CODES(codes_of_rows_bfloat, true, WIDTH / 256, 0)
CODES(codes_of_hidden_half, false, 0, HIDDEN / 256)
CODES(codes_of_hidden_bfloat, true, 0, HIDDEN / 256)
CODES(codes_of_both_half, false, WIDTH / 256, HIDDEN / 256)
CODES(codes_of_both_bfloat, true, WIDTH / 256, HIDDEN / 256)
