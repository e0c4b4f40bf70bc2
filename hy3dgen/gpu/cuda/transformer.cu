// SPDX-License-Identifier: Apache-2.0
// What stands between the matrix products of a transformer block, for rows of half precision.
// hy3dgen/shapegen/models/denoisers/fused_blocks.py calls it; the plain functions are in
// hunyuan3ddit.py. A warp for each row or head; sums are float32.
#include "rows.cuh"

#define HEAD 64

// x + gate * y into `x` where there is a y; then its layer norm without parameters, times 1 + scale,
// plus shift, into `normed` where that is wanted.
template <bool BF>
DEVICE void gated_norm_row(int row, int y_stride, unsigned short* x, const unsigned short* y,
                           const unsigned short* gate, const unsigned short* shift,
                           const unsigned short* scale, unsigned short* normed) {
    Lane<Values> values;
    gated_row<BF>(row, y_stride, x, y, gate, normed != nullptr, values);
    if (!normed) return;
    EACH_LANE(k) {
        for (int piece = 0; piece < WIDTH / 256; ++piece) {
            int first = 256 * piece + 8 * k;
            Row by = load8(scale + first), plus = load8(shift + first), out;
            for (int i = 0; i < 8; ++i)
                out.item[i] = narrow<BF>(values[k].of[8 * piece + i] * (1 + wide<BF>(by.item[i])) +
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
