// SPDX-License-Identifier: Apache-2.0
// Softmax attention for GPUs of compute capability 9.0, heads 64 wide, in half precision, after
// hopper.cu. attention_kernel.py calls it; the plain function is torch's
// scaled_dot_product_attention.
//
// A block has GROUPS (two or three) groups of four warps, each with 64 queries, and one more group
// that does nothing but have tiles of keys and values brought into shared memory, four tiles ahead.
// One group computes exponentials while another's products run, and within a group the product with
// values of one tile runs beside the exponentials of the next. Blocks stay and take one set of ROWS
// queries after the other, of two tasks in one launch.
//
// Exponentials are relative to the largest logit of the first tile, not to the largest so far, which
// leaves most tiles without a search for it. A sum above LIMIT shows that a later logit is much
// larger; then that warp computes its logits again and goes on relative to the new largest.

#define HEAD 64
#define ROWS (64 * GROUPS) // queries of a block at a time
#define WARPS (4 * GROUPS) // that compute
#define TILE 128           // keys
#define STAGES 4           // tiles of keys, and of values, in shared memory; a power of two
#define Q_BYTES (ROWS * 128)
#define TILE_BYTES (TILE * 128)
#define LIMIT 32768.0f // half of what float16 holds
#if GROUPS == 3 // a block's 65,536 registers go to those who need them
#define REGISTERS "160"
#define REGISTERS_TO_BRING "32"
#else
#define REGISTERS "240"
#define REGISTERS_TO_BRING "24"
#endif

// The first `split` tokens of a batch go to the first output, the others to the second.
struct alignas(64) Task {
    Map q, k, v;
    unsigned short* out[2]; // (batch, token, head, HEAD), a token's heads one after the other
    long long out_batch[2], out_token[2];
    int split, tokens, keys, heads, batch;
    int sets;    // of ROWS queries, in all heads and batches
    float extra; // added to the first key's products: its logarithm of how many it stands for
};
// Blocks take every so many sets of the first task, then of the second. Either all go on as they come,
// or only those from `start` on, which had less to do so far, with steps of as many sets as they are.
struct Tasks {
    Task item[2];
    int start, step;
};

// Three groups take turns in giving work to the matrix units; two are faster without.
DEVICE void wait_for_turn(int group) {
    if (GROUPS > 2) asm volatile("bar.sync %0, 256;" ::"r"(1 + group) : "memory");
}
DEVICE void give_turn(int group) {
    if (GROUPS > 2) asm volatile("bar.arrive %0, 256;" ::"r"(1 + group % GROUPS) : "memory");
}

// s = q k': in a thread s[4 c + 2 r + e] is of query lane / 4 + 8 r, key 8 c + 2 (lane % 4) + e.
DEVICE void multiply_keys(float (&s)[TILE / 2], Bits64 q, Bits64 k) {
#pragma unroll
    for (int i = 0; i < HEAD / 16; ++i)
        asm volatile("{\n.reg .pred more;\nsetp.ne.b32 more, %66, 0;\n"
                     "wgmma.mma_async.sync.aligned.m64n128k16.f32." TYPE "." TYPE " {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                     "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                     "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
                     "}, %64, %65, more, 1, 1, 0, 0;\n}"
                     : SIXTEEN(s, 0), SIXTEEN(s, 16), SIXTEEN(s, 32), SIXTEEN(s, 48)
                     : "l"(q + 2 * i), "l"(k + 2 * i), "r"(i)
                     : "memory");
}
// o = p v, or o + p v where there is `more` before.
DEVICE void multiply_values(float (&o)[32], const unsigned (&p)[TILE / 4], Bits64 v, int more) {
#pragma unroll
    for (int i = 0; i < TILE / 16; ++i)
        asm volatile("{\n.reg .pred more;\nsetp.ne.b32 more, %37, 0;\n"
                     "wgmma.mma_async.sync.aligned.m64n64k16.f32." TYPE "." TYPE " {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
                     "}, {%32, %33, %34, %35}, %36, more, 1, 1, 1;\n}"
                     : SIXTEEN(o, 0), SIXTEEN(o, 16)
                     : "r"(p[4 * i]), "r"(p[4 * i + 1]), "r"(p[4 * i + 2]), "r"(p[4 * i + 3]),
                       "l"(v + 128 * i), "r"(i ? 1 : more)
                     : "memory");
}

DEVICE void pack_all(unsigned (&p)[TILE / 4], const float (&s)[TILE / 2]) {
#pragma unroll
    for (int i = 0; i < TILE / 4; ++i) p[i] = pack(s[2 * i], s[2 * i + 1]);
}
// Logits become exponentials relative to `top`; this thread's sums of its two queries.
DEVICE void exponentials(float (&s)[TILE / 2], float scale, const float (&top)[2],
                         float (&sum)[2]) {
    float part[4];
#pragma unroll
    for (int i = 0; i < TILE / 2; ++i) {
        s[i] = power_of_two(fmaf(s[i], scale, -top[i >> 1 & 1]));
        part[i & 3] = i < 4 ? s[i] : part[i & 3] + s[i];
    }
    sum[0] = part[0] + part[1];
    sum[1] = part[2] + part[3];
}
DEVICE void leave_out_beyond(float (&s)[TILE / 2], int keys, int lane) {
    int key = 2 * (lane & 3);
#pragma unroll
    for (int i = 0; i < TILE / 2; ++i)
        if (key + 8 * (i >> 2) + (i & 1) >= keys) s[i] = -INFINITY;
}
DEVICE void largest(const float (&s)[TILE / 2], float (&top)[2]) {
    top[0] = s[0];
    top[1] = s[2];
#pragma unroll
    for (int i = 1; i < TILE / 2; ++i) top[i >> 1 & 1] = fmaxf(top[i >> 1 & 1], s[i]);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        top[r] = fmaxf(top[r], __shfl_xor_sync(~0u, top[r], 1));
        top[r] = fmaxf(top[r], __shfl_xor_sync(~0u, top[r], 2));
    }
}

// What multiply_keys gives, for the 16 queries of one warp and by it alone.
DEVICE void multiply_keys_again(float (&s)[TILE / 2], unsigned q, unsigned k, int warp, int lane) {
    unsigned a[4][4], b[2][4];
#pragma unroll
    for (int i = 0; i < 4; ++i) read_matrices(a[i], q, 16 * warp + (lane & 15), 2 * i + (lane >> 4));
#pragma unroll
    for (int c = 0; c < TILE / 8; ++c) {
#pragma unroll
        for (int i = 0; i < 2; ++i) read_matrices(b[i], k, 8 * c + (lane & 7), 4 * i + (lane >> 3));
#pragma unroll
        for (int i = 0; i < 4; ++i) s[4 * c + i] = 0;
#pragma unroll
        for (int i = 0; i < 4; ++i)
            asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." TYPE "." TYPE ".f32 "
                         "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                         : FOUR(s, 4 * c)
                         : "r"(a[i][0]), "r"(a[i][1]), "r"(a[i][2]), "r"(a[i][3]),
                           "r"(b[i / 2][2 * (i & 1)]), "r"(b[i / 2][2 * (i & 1) + 1]));
    }
}

DEVICE int next_set(const Tasks& tasks, int set) {
    bool first = set < tasks.item[0].sets;
    set += first ? int(gridDim.x) : tasks.step;
    return first && set >= tasks.item[0].sets && int(blockIdx.x) < tasks.start ? 0x7fffffff : set;
}

struct Place {
    int task, first, head, batch;
};
DEVICE Place place_of(const Tasks& tasks, int set) {
    Place at;
    at.task = set >= tasks.item[0].sets;
    if (at.task) set -= tasks.item[0].sets;
    const Task& task = tasks.item[at.task];
    int slices = task.heads * task.batch, slice = set % slices;
    at.first = set / slices * ROWS;
    at.head = slice % task.heads;
    at.batch = slice / task.heads;
    return at;
}

// Addresses in shared memory.
struct Rooms {
    unsigned q, k, v, k_full, v_full, k_empty, v_empty, q_full, q_empty;
};

DEVICE void bring(const Tasks& tasks, int sets, const Rooms& rooms) {
    unsigned turn = 0, number = 0; // tiles and sets so far
    for (int set = blockIdx.x; set < sets; set = next_set(tasks, set), ++number) {
        Place at = place_of(tasks, set);
        const Task& task = tasks.item[at.task];
        unsigned half = number & 1, full = rooms.q_full + 8 * half;
        wait(rooms.q_empty + 8 * half, number / 2 & 1 ^ 1);
        expect(full, Q_BYTES);
        for (int group = 0; group < GROUPS; ++group)
            load(rooms.q + half * Q_BYTES + group * (Q_BYTES / GROUPS), &task.q,
                 at.first + 64 * group, at.head, at.batch, full);
        for (int key = 0; key < task.keys; key += TILE, ++turn) {
            unsigned stage = turn % STAGES, parity = turn / STAGES & 1 ^ 1;
            wait(rooms.k_empty + 8 * stage, parity);
            expect(rooms.k_full + 8 * stage, TILE_BYTES);
            load(rooms.k + stage * TILE_BYTES, &task.k, key, at.head, at.batch,
                 rooms.k_full + 8 * stage);
            wait(rooms.v_empty + 8 * stage, parity);
            expect(rooms.v_full + 8 * stage, TILE_BYTES);
            load(rooms.v + stage * TILE_BYTES, &task.v, key, at.head, at.batch,
                 rooms.v_full + 8 * stage);
        }
    }
}

// Without queries of its own a group only keeps step with the others.
DEVICE void pass(int tiles, unsigned& turn, const Rooms& rooms, int group, int lane) {
#pragma unroll 1
    for (int j = 0; j < tiles; ++j, ++turn) {
        unsigned stage = turn % STAGES, parity = turn / STAGES & 1;
        if (j) {
            wait_for_turn(group);
            give_turn(group + 1);
        }
        wait(rooms.k_full + 8 * stage, parity);
        if (lane == 0) arrive(rooms.k_empty + 8 * stage);
        wait(rooms.v_full + 8 * stage, parity);
        if (lane == 0) arrive(rooms.v_empty + 8 * stage);
    }
}

DEVICE void write(const Task& task, const Place& at, int token, int lane, int r, float factor,
                  const float (&o)[32]) {
    if (token >= task.tokens) return;
    int part = token >= task.split;
    if (part) token -= task.split;
    unsigned short* to = task.out[part] + at.batch * task.out_batch[part] +
                         token * task.out_token[part] + HEAD * at.head + 2 * (lane & 3);
#pragma unroll
    for (int i = 0; i < 8; ++i)
        *(unsigned*)(to + 8 * i) = pack(o[4 * i + 2 * r] * factor, o[4 * i + 2 * r + 1] * factor);
}

// One group's 64 queries over all keys.
DEVICE void attend_rows(const Task& task, const Place& at, int first, int tiles, float scale,
                        unsigned q_at, unsigned q_empty, unsigned& turn, const Rooms& rooms,
                        int group, int warp, int lane) {
    float s[TILE / 2], o[32], top[2], total[2];
    unsigned p[TILE / 4];
    Bits64 q = matrix(q_at);
    unsigned stage = turn % STAGES;
    wait(rooms.k_full + 8 * stage, turn / STAGES & 1);
    products_begin();
    multiply_keys(s, q, matrix(rooms.k + stage * TILE_BYTES));
    products_end();
    products_wait<0>();
    settle(s);
    if (lane == 0) arrive(rooms.k_empty + 8 * stage);
    if (task.keys < TILE) leave_out_beyond(s, task.keys, lane);
    if ((lane & 3) == 0) {
        s[0] += task.extra;
        s[2] += task.extra;
    }
    largest(s, top);
    top[0] *= scale;
    top[1] *= scale;
    exponentials(s, scale, top, total);
    pack_all(p, s);
#pragma unroll 1
    for (int j = 1; j < tiles; ++j) {
        unsigned before = turn % STAGES, before_parity = turn / STAGES & 1;
        ++turn;
        stage = turn % STAGES;
        int left = task.keys - j * TILE;
        float sum[2];
        wait(rooms.k_full + 8 * stage, turn / STAGES & 1);
        wait_for_turn(group);
        products_begin();
        multiply_keys(s, q, matrix(rooms.k + stage * TILE_BYTES));
        products_end();
        wait(rooms.v_full + 8 * before, before_parity);
        multiply_values(o, p, matrix(rooms.v + before * TILE_BYTES), j > 1);
        products_end();
        give_turn(group + 1);
        products_wait<1>();
        settle(s);
        if (left < TILE) leave_out_beyond(s, left, lane);
        for (;;) {
            exponentials(s, scale, top, sum);
            if (!__any_sync(~0u, fmaxf(sum[0], sum[1]) > LIMIT)) break;
            products_wait<0>();
            settle(o);
            multiply_keys_again(s, q_at, rooms.k + stage * TILE_BYTES, warp, lane);
            if (left < TILE) leave_out_beyond(s, left, lane);
            float now[2];
            largest(s, now);
#pragma unroll
            for (int r = 0; r < 2; ++r) {
                float higher = fmaxf(top[r], now[r] * scale);
                float factor = power_of_two(top[r] - higher);
                top[r] = higher;
                total[r] *= factor;
#pragma unroll
                for (int i = 0; i < 32; ++i)
                    if ((i >> 1 & 1) == r) o[i] *= factor;
            }
        }
        products_wait<0>();
        settle(o);
        settle(s);
        total[0] += sum[0];
        total[1] += sum[1];
        if (lane == 0) {
            arrive(rooms.k_empty + 8 * stage);
            arrive(rooms.v_empty + 8 * before);
        }
        pack_all(p, s);
    }
    if (lane == 0) arrive(q_empty);
    stage = turn % STAGES;
    wait(rooms.v_full + 8 * stage, turn / STAGES & 1);
    products_begin();
    multiply_values(o, p, matrix(rooms.v + stage * TILE_BYTES), tiles > 1);
    products_end();
    products_wait<0>();
    settle(o);
    if (lane == 0) arrive(rooms.v_empty + 8 * stage);
    ++turn;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        total[r] += __shfl_xor_sync(~0u, total[r], 1);
        total[r] += __shfl_xor_sync(~0u, total[r], 2);
        write(task, at, first + 16 * warp + lane / 4 + 8 * r, lane, r, 1.0f / total[r], o);
    }
}

// `scale` is that of the products times the logarithm of e to base 2.
extern "C" __global__ void __launch_bounds__(128 * (GROUPS + 1), 1)
    attend(const __grid_constant__ Tasks tasks, int sets, float scale) {
    extern __shared__ unsigned char memory[];
    __shared__ Bits64 barriers[4 * STAGES + 4];
    Rooms rooms;
    rooms.q = (shared(memory) + 1023) & ~1023u;
    rooms.k = rooms.q + 2 * Q_BYTES;
    rooms.v = rooms.k + STAGES * TILE_BYTES;
    rooms.k_full = shared(barriers);
    rooms.v_full = rooms.k_full + 8 * STAGES;
    rooms.k_empty = rooms.v_full + 8 * STAGES;
    rooms.v_empty = rooms.k_empty + 8 * STAGES;
    rooms.q_full = rooms.v_empty + 8 * STAGES;
    rooms.q_empty = rooms.q_full + 16;
    int warp = __shfl_sync(~0u, threadIdx.x / 32, 0), lane = threadIdx.x % 32;
    if (threadIdx.x == 0) {
        for (int i = 0; i < 2 * STAGES; ++i) {
            barrier_init(rooms.k_full + 8 * i, 1);
            barrier_init(rooms.k_empty + 8 * i, WARPS);
        }
        for (int i = 0; i < 2; ++i) {
            barrier_init(rooms.q_full + 8 * i, 1);
            barrier_init(rooms.q_empty + 8 * i, WARPS);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    if (warp >= WARPS) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 " REGISTERS_TO_BRING ";");
        if (warp == WARPS && lane == 0) bring(tasks, sets, rooms);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 " REGISTERS ";");
        int group = warp / 4;
        unsigned turn = 0, number = 0;
        if (group == GROUPS - 1) give_turn(0);
        for (int set = blockIdx.x; set < sets; set = next_set(tasks, set), ++number) {
            Place at = place_of(tasks, set);
            const Task& task = tasks.item[at.task];
            int tiles = (task.keys + TILE - 1) / TILE, first = at.first + 64 * group;
            unsigned half = number & 1, q_empty = rooms.q_empty + 8 * half;
            wait(rooms.q_full + 8 * half, number / 2 & 1);
            if (first < task.tokens) {
                attend_rows(task, at, first, tiles, scale,
                            rooms.q + half * Q_BYTES + group * (Q_BYTES / GROUPS), q_empty, turn,
                            rooms, group, warp % 4, lane);
            } else {
                if (lane == 0) arrive(q_empty);
                pass(tiles, turn, rooms, group, lane);
            }
        }
    }
}
