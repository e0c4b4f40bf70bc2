// SPDX-License-Identifier: Apache-2.0
#include "pricing.h"

namespace hy3d {

void JointBatch::price_all(float costs[SIZE], size_t count, Tail tail) {
    const size_t lanes = (count + 3) & ~static_cast<size_t>(3);
    for (size_t i = 0; i < lanes; i++) {
        const auto value = [&](size_t k) { return values_[k][i]; };
        Joint joint;
        joint.sum.a = {value(0), value(1), value(2), value(3), value(4), value(5)};
        joint.sum.b = {value(6), value(7), value(8)};
        joint.sum.c = value(9);
        joint.middle = {value(10), value(11), value(12)};
        joint.half = {value(13), value(14), value(15)};
        joint.pinned = value(16);
        joint.dearer = value(17);
        Vec3 step;
        double end;
        costs[i] = static_cast<float>(hy3d::price(joint, tail, step, end));
    }
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) void JointBatch::price_wide(float costs[SIZE], size_t count, Tail tail) {
    price_all(costs, count, tail);
}

namespace {

// Whether the processor and the system know AVX2. The compiler's own question for that needs a part of
// its library that Zig leaves empty.
bool has_avx2() {
    uint32_t a = 7, b = 0, c = 0, d = 0;
    const auto ask = [&](uint32_t leaf) {
        a = leaf;
        c = 0;
        __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    };
    ask(0);
    if (a < 7) return false;
    ask(1);
    constexpr uint32_t OSXSAVE = 1u << 27, AVX = 1u << 28;
    if ((c & (OSXSAVE | AVX)) != (OSXSAVE | AVX)) return false;
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 6) != 6) return false;  // the system keeps wide registers
    ask(7);
    return (b & 1u << 5) != 0;
}

}  // namespace

void JointBatch::price(float costs[SIZE], size_t count, Tail tail) {
    // Asked once: under a hypervisor the question is slow. 0: not yet, 1: no, 2: yes.
    static int32_t answer = 0;
    int32_t wide = __atomic_load_n(&answer, __ATOMIC_RELAXED);
    if (wide == 0) {
        wide = has_avx2() ? 2 : 1;
        __atomic_store_n(&answer, wide, __ATOMIC_RELAXED);
    }
    wide == 2 ? price_wide(costs, count, tail) : price_all(costs, count, tail);
}

#else

void JointBatch::price(float costs[SIZE], size_t count, Tail tail) { price_all(costs, count, tail); }

#endif

}  // namespace hy3d
