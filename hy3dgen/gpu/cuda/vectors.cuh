// SPDX-License-Identifier: Apache-2.0
// What all kernels here share: loops over indices, small vectors, quadrics.
//
// Compiled for a GPU at run time (hy3dgen/gpu/nvrtc.py), and for the tests by a C++ compiler, where
// one call of a kernel goes through all indices by itself.
#pragma once

#ifdef __CUDACC__
#define KERNEL extern "C" __global__ void
#define DEVICE __device__ __forceinline__
#define INFINITY __int_as_float(0x7f800000)
#define FOR_EACH(i, count)                                                                  \
    for (int i = int(blockIdx.x * blockDim.x + threadIdx.x), step_ = int(gridDim.x * blockDim.x); \
         i < (count); i += step_)
// Work for the 32 threads of a warp together: between cross-lane functions, EACH_LANE(k) runs for
// every lane, and a Lane<T> is a variable that each lane has of its own.
#define FOR_EACH_WARP(i, count)                                                                  \
    for (int i = int((blockIdx.x * blockDim.x + threadIdx.x) / 32),                              \
             step_ = int(gridDim.x * blockDim.x / 32);                                           \
         i < (count); i += step_)
#define EACH_LANE(k) for (int k = threadIdx.x % 32, once_ = 1; once_; once_ = 0)
template <class T> struct Lane {
    T value;
    __device__ T& operator[](int) { return value; }
};
template <class T> DEVICE T of_lane(Lane<T>& x, int lane) { return __shfl_sync(~0u, x.value, lane); }
DEVICE unsigned lanes_with(Lane<bool>& x) { return __ballot_sync(~0u, x.value); }
DEVICE float sum(Lane<float>& x) { // in the same order always
    float total = x.value;
    for (int reach = 16; reach > 0; reach /= 2) total += __shfl_xor_sync(~0u, total, reach);
    return total;
}
DEVICE int ones(unsigned bits) { return __popc(bits); }
DEVICE int lowest(unsigned bits) { return __ffs(int(bits)) - 1; }
DEVICE int highest(unsigned bits) { return 31 - __clz(int(bits)); }
#else
#define FOR_EACH_WARP(i, count) for (int i = 0; i < (count); ++i)
#define EACH_LANE(k) for (int k = 0; k < 32; ++k)
template <class T> struct Lane {
    T value[32];
    T& operator[](int k) { return value[k]; }
};
template <class T> static inline T of_lane(Lane<T>& x, int lane) { return x[lane]; }
static inline unsigned lanes_with(Lane<bool>& x) {
    unsigned bits = 0;
    for (int k = 0; k < 32; ++k) bits |= unsigned(x[k]) << k;
    return bits;
}
static inline float sum(Lane<float>& x) {
    float total = 0;
    for (int k = 0; k < 32; ++k) total += x[k];
    return total;
}
static inline int ones(unsigned bits) { return __builtin_popcount(bits); }
static inline int lowest(unsigned bits) { return __builtin_ctz(bits); }
static inline int highest(unsigned bits) { return 31 - __builtin_clz(bits); }
#define INFINITY __builtin_inff()
#define sqrtf __builtin_sqrtf
#define fabsf __builtin_fabsf
#define expf __builtin_expf
#define KERNEL extern "C" void
#define DEVICE static inline
#define FOR_EACH(i, count) for (int i = 0; i < (count); ++i)
template <class T> T atomicAdd(T* at, T value) { T old = *at; *at += value; return old; }
template <class T> T atomicMin(T* at, T value) { T old = *at; if (value < old) *at = value; return old; }
static inline int __float_as_int(float x) { int i; __builtin_memcpy(&i, &x, 4); return i; }
static inline long long __double2ll_rn(double x) { return __builtin_llrint(x); }
#endif

using u64 = unsigned long long;

struct Vec {
    float x, y, z;
};
DEVICE Vec operator+(Vec a, Vec b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
DEVICE Vec operator-(Vec a, Vec b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
DEVICE Vec operator*(Vec a, float s) { return {a.x * s, a.y * s, a.z * s}; }
DEVICE float dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
DEVICE Vec cross(Vec a, Vec b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
DEVICE Vec load(const float* places, int i) {
    return {places[3 * i], places[3 * i + 1], places[3 * i + 2]};
}
DEVICE void store(float* places, int i, Vec v) {
    places[3 * i] = v.x;
    places[3 * i + 1] = v.y;
    places[3 * i + 2] = v.z;
}

// The other two corners of a face, seen from corner `c`, counter-clockwise.
DEVICE int after(int c) { return c % 3 == 2 ? c - 2 : c + 1; }
DEVICE int before(int c) { return c % 3 == 0 ? c + 2 : c - 1; }

// A symmetric matrix `xx xy xz yy yz zz`, and a quadric told from its own vertex (quadrics.py).
struct Symmetric {
    float xx, xy, xz, yy, yz, zz;
};
struct Quadric {
    Symmetric a;
    Vec b;
    float c;
};
DEVICE Vec multiply(const Symmetric& a, Vec d) {
    return {a.xx * d.x + a.xy * d.y + a.xz * d.z, a.xy * d.x + a.yy * d.y + a.yz * d.z,
            a.xz * d.x + a.yz * d.y + a.zz * d.z};
}
DEVICE float trace(const Symmetric& a) { return a.xx + a.yy + a.zz; }
DEVICE Symmetric operator+(const Symmetric& p, const Symmetric& q) {
    return {p.xx + q.xx, p.xy + q.xy, p.xz + q.xz, p.yy + q.yy, p.yz + q.yz, p.zz + q.zz};
}
DEVICE Quadric operator+(const Quadric& p, const Quadric& q) {
    return {p.a + q.a, p.b + q.b, p.c + q.c};
}
DEVICE Quadric load_quadric(const float* rows, int i) {
    const float* q = rows + 10 * i;
    return {{q[0], q[1], q[2], q[3], q[4], q[5]}, {q[6], q[7], q[8]}, q[9]};
}
DEVICE void store_quadric(float* rows, int i, const Quadric& q) {
    float* to = rows + 10 * i;
    to[0] = q.a.xx, to[1] = q.a.xy, to[2] = q.a.xz, to[3] = q.a.yy, to[4] = q.a.yz;
    to[5] = q.a.zz, to[6] = q.b.x, to[7] = q.b.y, to[8] = q.b.z, to[9] = q.c;
}
// The same quadric told from an origin moved by `d`.
DEVICE Quadric moved(const Quadric& q, Vec d) {
    Vec ad = multiply(q.a, d);
    return {q.a, q.b + ad, q.c + 2 * dot(q.b, d) + dot(d, ad)};
}
// Plane through the origin with a unit normal.
DEVICE Quadric plane(Vec n, float weight) {
    return {{n.x * n.x * weight, n.x * n.y * weight, n.x * n.z * weight, n.y * n.y * weight,
             n.y * n.z * weight, n.z * n.z * weight},
            {0, 0, 0},
            0};
}
// `d` with `(A + ridge I) d = g` by LDL', zero where the matrix is not positive.
DEVICE Vec solve(const Symmetric& a, Vec g, float ridge) {
    float d0 = a.xx + ridge, l1 = a.xy / d0, l2 = a.xz / d0;
    float d1 = a.yy + ridge - l1 * a.xy, t = a.yz - l1 * a.xz, l3 = t / d1;
    float d2 = a.zz + ridge - l2 * a.xz - l3 * t;
    if (!(d0 > 0 && d1 > 0 && d2 > 0)) return {0, 0, 0};
    float y1 = g.y - l1 * g.x, z = (g.z - l2 * g.x - l3 * y1) / d2, y = y1 / d1 - l3 * z;
    return {g.x / d0 - l1 * y - l2 * z, y, z};
}
