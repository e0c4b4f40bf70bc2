// SPDX-License-Identifier: Apache-2.0
// What stands between the matrix products of a transformer block, for rows of half precision.
// hy3dgen/shapegen/models/denoisers/fused_blocks.py calls it; the plain functions are in
// hunyuan3ddit.py. A warp for each row or head; sums are float32.
#include "vectors.cuh"

#define WIDTH 1024 // of a row
#define HEAD 64

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

// x + gate * y into `x` where there is a y; then its layer norm without parameters, times 1 + scale,
// plus shift, into `normed` where that is wanted.
template <bool BF>
DEVICE void gated_norm_row(int row, int y_stride, unsigned short* x, const unsigned short* y,
                           const unsigned short* gate, const unsigned short* shift,
                           const unsigned short* scale, unsigned short* normed) {
    Lane<Values> values;
    Lane<float> part;
    unsigned short* at = x + (long long)row * WIDTH;
    EACH_LANE(k) {
        float total = 0;
        for (int piece = 0; piece < 4; ++piece) {
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
    if (!normed) return;
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
        for (int piece = 0; piece < 4; ++piece) {
            int first = 256 * piece + 8 * k;
            Row by = load8(scale + first), plus = load8(shift + first), out;
            for (int i = 0; i < 8; ++i)
                out.item[i] = narrow<BF>((values[k].of[8 * piece + i] - mean) * factor *
                                             (1 + wide<BF>(by.item[i])) +
                                         wide<BF>(plus.item[i]));
            store8(normed + (long long)row * WIDTH + first, out);
        }
    }
}

KERNEL gated_norm_half(int rows, int y_stride, unsigned short* x, const unsigned short* y,
                       const unsigned short* gate, const unsigned short* shift,
                       const unsigned short* scale, unsigned short* normed) {
    FOR_EACH_WARP(row, rows) gated_norm_row<false>(row, y_stride, x, y, gate, shift, scale, normed);
}
KERNEL gated_norm_bfloat(int rows, int y_stride, unsigned short* x, const unsigned short* y,
                         const unsigned short* gate, const unsigned short* shift,
                         const unsigned short* scale, unsigned short* normed) {
    FOR_EACH_WARP(row, rows) gated_norm_row<true>(row, y_stride, x, y, gate, shift, scale, normed);
}

// One head of one token: root-mean-square norms of q and k, times their weights, and v, from a row
// `q | k | v` into tensors of tokens, heads, HEAD. Tokens come in batches of `tokens` and go behind
// `skipped` others in batches of `all_tokens`.
template <bool BF>
DEVICE void head_norm_row(int item, int heads, int in_stride, int tokens, int skipped,
                          int all_tokens, const unsigned short* qkv, const unsigned short* q_weight,
                          const unsigned short* k_weight, unsigned short* q, unsigned short* k,
                          unsigned short* v) {
    int head = item % heads, token = item / heads;
    int to = token / tokens * all_tokens + skipped + token % tokens;
    const unsigned short* from = qkv + (long long)token * in_stride + head * HEAD;
    long long target = ((long long)to * heads + head) * HEAD;
    for (int which = 0; which < (v ? 3 : 2); ++which) {
        const unsigned short* row = from + which * heads * HEAD;
        const unsigned short* weight = which ? k_weight : q_weight;
        unsigned short* out = (which == 0 ? q : which == 1 ? k : v) + target;
        Lane<Pair> mine;
        Lane<float> squares;
        EACH_LANE(l) {
            mine[l] = load2(row + 2 * l);
            float a = wide<BF>(mine[l].item[0]), b = wide<BF>(mine[l].item[1]);
            squares[l] = a * a + b * b;
        }
        float factor = which < 2 ? 1 / sqrtf(sum(squares) / HEAD + 1e-6f) : 1.0f;
        EACH_LANE(l) {
            if (which < 2)
                for (int i = 0; i < 2; ++i)
                    mine[l].item[i] = narrow<BF>(wide<BF>(mine[l].item[i]) * factor *
                                                 wide<BF>(weight[2 * l + i]));
            store2(out + 2 * l, mine[l]);
        }
    }
}

KERNEL head_norm_half(int items, int heads, int in_stride, int tokens, int skipped, int all_tokens,
                      const unsigned short* qkv, const unsigned short* q_weight,
                      const unsigned short* k_weight, unsigned short* q, unsigned short* k,
                      unsigned short* v) {
    FOR_EACH_WARP(item, items)
    head_norm_row<false>(item, heads, in_stride, tokens, skipped, all_tokens, qkv, q_weight,
                         k_weight, q, k, v);
}
KERNEL head_norm_bfloat(int items, int heads, int in_stride, int tokens, int skipped,
                        int all_tokens, const unsigned short* qkv, const unsigned short* q_weight,
                        const unsigned short* k_weight, unsigned short* q, unsigned short* k,
                        unsigned short* v) {
    FOR_EACH_WARP(item, items)
    head_norm_row<true>(item, heads, in_stride, tokens, skipped, all_tokens, qkv, q_weight,
                        k_weight, q, k, v);
}

// Attention in which the first key counts as `more` + 1 equal ones, from attention in which it counts
// once and the logarithm of its sum of exponentials (attention.attend_merged). Strides are of
// batches, heads and tokens.
struct Strides {
    long long batch, head, token;
};

template <bool BF>
DEVICE void add_copies(int item, int heads, int tokens, const unsigned short* q, Strides q_step,
                       const unsigned short* k, Strides k_step, const unsigned short* v,
                       Strides v_step, const float* log_sums, float more, float scale,
                       unsigned short* out, Strides out_step) {
    int head = item / tokens % heads, token = item % tokens;
    long long batch = item / tokens / heads;
    const unsigned short* query = q + batch * q_step.batch + head * q_step.head + token * q_step.token;
    const unsigned short* key = k + batch * k_step.batch + head * k_step.head;
    const unsigned short* value = v + batch * v_step.batch + head * v_step.head;
    unsigned short* to = out + batch * out_step.batch + head * out_step.head + token * out_step.token;
    Lane<float> product;
    EACH_LANE(l) {
        Pair a = load2(query + 2 * l), b = load2(key + 2 * l);
        product[l] = wide<BF>(a.item[0]) * wide<BF>(b.item[0]) +
                     wide<BF>(a.item[1]) * wide<BF>(b.item[1]);
    }
    float weight = more * expf(sum(product) * scale - log_sums[item]);
    EACH_LANE(l) {
        Pair mine = load2(to + 2 * l), first = load2(value + 2 * l);
        for (int i = 0; i < 2; ++i)
            mine.item[i] = narrow<BF>((wide<BF>(mine.item[i]) + weight * wide<BF>(first.item[i])) /
                                      (1 + weight));
        store2(to + 2 * l, mine);
    }
}

KERNEL add_copies_half(int items, int heads, int tokens, const unsigned short* q, Strides q_step,
                       const unsigned short* k, Strides k_step, const unsigned short* v,
                       Strides v_step, const float* log_sums, float more, float scale,
                       unsigned short* out, Strides out_step) {
    FOR_EACH_WARP(item, items)
    add_copies<false>(item, heads, tokens, q, q_step, k, k_step, v, v_step, log_sums, more, scale,
                      out, out_step);
}
KERNEL add_copies_bfloat(int items, int heads, int tokens, const unsigned short* q, Strides q_step,
                         const unsigned short* k, Strides k_step, const unsigned short* v,
                         Strides v_step, const float* log_sums, float more, float scale,
                         unsigned short* out, Strides out_step) {
    FOR_EACH_WARP(item, items)
    add_copies<true>(item, heads, tokens, q, q_step, k, k_step, v, v_step, log_sums, more, scale,
                     out, out_step);
}
