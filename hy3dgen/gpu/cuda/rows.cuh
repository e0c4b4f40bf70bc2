// SPDX-License-Identifier: Apache-2.0
// Rows of half precision, eight neighbours at a time, and the norm that kernels of them share.
#pragma once
#include "vectors.cuh"

#define WIDTH 1024 // of a row

#ifdef __CUDACC__
DEVICE float largest(Lane<float>& x) {
    float most = x.value;
    for (int reach = 16; reach > 0; reach /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, reach));
    return most;
}
#else
#define fmaxf __builtin_fmaxf
#define tanhf __builtin_tanhf
static inline float largest(Lane<float>& x) {
    float most = x[0];
    for (int k = 1; k < 32; ++k) most = fmaxf(most, x[k]);
    return most;
}
#endif

struct alignas(16) Row {
    unsigned short item[8];
};

#ifdef __CUDACC__
template <bool BF> DEVICE float wide(unsigned short x) {
    float f;
    if (BF) return __int_as_float(int(x) << 16);
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(x));
    return f;
}
template <bool BF> DEVICE unsigned short narrow(float f) {
    unsigned short x;
    if (BF) {
        unsigned bits = unsigned(__float_as_int(f)); // to nearest, ties to even
        return (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
    }
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(x) : "f"(f));
    return x;
}
#else
template <bool BF> DEVICE float wide(unsigned short x) {
    if (BF) {
        unsigned bits = unsigned(x) << 16;
        float f;
        __builtin_memcpy(&f, &bits, 4);
        return f;
    }
    _Float16 h;
    __builtin_memcpy(&h, &x, 2);
    return float(h);
}
template <bool BF> DEVICE unsigned short narrow(float f) {
    if (BF) {
        unsigned bits = unsigned(__float_as_int(f));
        return (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
    }
    _Float16 h = _Float16(f);
    unsigned short x;
    __builtin_memcpy(&x, &h, 2);
    return x;
}
#endif

// Eight neighbours, 16 bytes.
DEVICE Row load8(const unsigned short* at) {
    Row row;
#ifdef __CUDACC__
    *(uint4*)&row = *(const uint4*)at;
#else
    __builtin_memcpy(&row, at, 16);
#endif
    return row;
}
DEVICE void store8(unsigned short* at, const Row& row) {
#ifdef __CUDACC__
    *(uint4*)at = *(const uint4*)&row;
#else
    __builtin_memcpy(at, &row, 16);
#endif
}

struct alignas(4) Pair {
    unsigned short item[2];
};
DEVICE Pair load2(const unsigned short* at) {
    Pair pair;
#ifdef __CUDACC__
    *(unsigned*)&pair = *(const unsigned*)at;
#else
    __builtin_memcpy(&pair, at, 4);
#endif
    return pair;
}
DEVICE void store2(unsigned short* at, const Pair& pair) {
#ifdef __CUDACC__
    *(unsigned*)at = *(const unsigned*)&pair;
#else
    __builtin_memcpy(at, &pair, 4);
#endif
}

struct Values {
    float of[WIDTH / 32];
};

// x + gate * y into `x` where there is a y; then its layer norm without parameters into `values`
// where that is wanted.
template <bool BF>
DEVICE void gated_row(int row, int y_stride, unsigned short* x, const unsigned short* y,
                      const unsigned short* gate, bool wanted, Lane<Values>& values) {
    Lane<float> part;
    unsigned short* at = x + (long long)row * WIDTH;
    EACH_LANE(k) {
        float total = 0;
        for (int piece = 0; piece < WIDTH / 256; ++piece) {
            int first = 256 * piece + 8 * k;
            Row mine = load8(at + first);
            if (y) {
                Row other = load8(y + (long long)row * y_stride + first), g = load8(gate + first);
                for (int i = 0; i < 8; ++i)
                    mine.item[i] = narrow<BF>(wide<BF>(mine.item[i]) +
                                              wide<BF>(g.item[i]) * wide<BF>(other.item[i]));
                store8(at + first, mine);
            }
            for (int i = 0; i < 8; ++i) {
                float value = wide<BF>(mine.item[i]);
                values[k].of[8 * piece + i] = value;
                total += value;
            }
        }
        part[k] = total;
    }
    if (!wanted) return;
    float mean = sum(part) / WIDTH;
    EACH_LANE(k) {
        float total = 0;
        for (int i = 0; i < WIDTH / 32; ++i) {
            float off = values[k].of[i] - mean;
            total += off * off;
        }
        part[k] = total;
    }
    float factor = 1 / sqrtf(sum(part) / WIDTH + 1e-6f);
    EACH_LANE(k) {
        for (int i = 0; i < WIDTH / 32; ++i) values[k].of[i] = (values[k].of[i] - mean) * factor;
    }
}
