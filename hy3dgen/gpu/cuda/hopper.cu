// SPDX-License-Identifier: Apache-2.0
// Instructions of GPUs of compute capability 9.0, as functions: barriers and copies in shared memory,
// and products of matrices in half precision, BFLOAT defined for bfloat16, otherwise float16.
#include "vectors.cuh"

#ifdef BFLOAT
#define TYPE "bf16"
#else
#define TYPE "f16"
#endif

typedef unsigned long long Bits64;

// cuTensorMapEncodeTiled made it, for (batch, head, token, 64).
struct alignas(64) Map {
    Bits64 words[16];
};

// Barriers in shared memory that count arrivals and bytes.
DEVICE unsigned shared(const void* at) { return unsigned(__cvta_generic_to_shared(at)); }
DEVICE void barrier_init(unsigned at, int count) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(at), "r"(count));
}
DEVICE void arrive(unsigned at) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(at) : "memory");
}
DEVICE void expect(unsigned at, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(bytes)
                 : "memory");
}
DEVICE void wait(unsigned at, unsigned parity) {
    asm volatile("{\n.reg .pred done;\nAGAIN:\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
                 "@!done bra AGAIN;\n}" ::"r"(at), "r"(parity)
                 : "memory");
}
// Rows of 128 bytes whose 16-byte pieces are swapped as the matrix units want it; zeros beyond.
DEVICE void load(unsigned to, const Map* map, int token, int head, int batch, unsigned barrier) {
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3, %4, %5}], [%6];" ::"r"(to), "l"(map), "r"(0), "r"(token),
                 "r"(head), "r"(batch), "r"(barrier)
                 : "memory");
}

// The matrix units work on while a group does other things, until it waits for them.
DEVICE void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void products_end() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int LEFT> DEVICE void products_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory");
}
// No use of these before this place: the compiler cannot see when products write to them.
template <int N> DEVICE void settle(float (&x)[N]) {
#pragma unroll
    for (int i = 0; i < N; ++i) asm volatile("" : "+f"(x[i])::"memory");
}
// Where a matrix lies: groups of eight rows are 1,024 bytes apart, rows swizzled over 128 bytes.
DEVICE Bits64 matrix(unsigned at) {
    return Bits64((at & 0x3ffff) >> 4) | Bits64(64) << 16 | Bits64(64) << 32 | Bits64(1) << 62;
}

#define FOUR(x, i) "+f"(x[i]), "+f"(x[i + 1]), "+f"(x[i + 2]), "+f"(x[i + 3])
#define SIXTEEN(x, i) FOUR(x, i), FOUR(x, i + 4), FOUR(x, i + 8), FOUR(x, i + 12)

DEVICE float power_of_two(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
DEVICE unsigned pack(float low, float high) {
    unsigned both;
    asm("cvt.rn." TYPE "x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

// Four matrices of 8 x 8 from rows as `load` leaves them, for one warp's own products.
DEVICE void read_matrices(unsigned (&x)[4], unsigned at, int row, int piece) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(at + 128 * row + ((piece ^ (row & 7)) << 4))
                 : "memory");
}
