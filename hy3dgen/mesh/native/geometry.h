// SPDX-License-Identifier: Apache-2.0
// Points, plane quadrics, and the closest point of a triangle. Only + - * / and sqrt, which IEEE 754
// rounds the same way everywhere; with contraction off, results agree across platforms.
#ifndef HY3D_GEOMETRY_H
#define HY3D_GEOMETRY_H

#include <math.h>

namespace hy3d {

struct Vec3 {
    double x, y, z;
};

inline Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec3 operator-(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec3 operator*(double s, Vec3 a) { return {s * a.x, s * a.y, s * a.z}; }
inline double dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline double squared(Vec3 a) { return dot(a, a); }
inline Vec3 cross(Vec3 a, Vec3 b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

// Symmetric 3x3 matrix.
struct Sym3 {
    double xx, xy, xz, yy, yz, zz;

    Vec3 operator*(Vec3 p) const {
        return {xx * p.x + xy * p.y + xz * p.z, xy * p.x + yy * p.y + yz * p.z,
                xz * p.x + yz * p.y + zz * p.z};
    }
    double trace() const { return xx + yy + zz; }
    void add(const Sym3& o) {
        xx += o.xx;
        xy += o.xy;
        xz += o.xz;
        yy += o.yy;
        yz += o.yz;
        zz += o.zz;
    }
    void add_outer(Vec3 n, double weight) {
        xx += weight * n.x * n.x;
        xy += weight * n.x * n.y;
        xz += weight * n.x * n.z;
        yy += weight * n.y * n.y;
        yz += weight * n.y * n.z;
        zz += weight * n.z * n.z;
    }
    // Solves (this + ridge I) d = g by LDL^T; zero where the matrix is not positive.
    Vec3 solve(Vec3 g, double ridge) const {
        const double d0 = xx + ridge, inverse0 = 1 / d0;
        const double l1 = xy * inverse0, l2 = xz * inverse0;
        const double d1 = yy + ridge - l1 * xy, inverse1 = 1 / d1;
        const double t = yz - l1 * xz, l3 = t * inverse1;
        const double d2 = zz + ridge - l2 * xz - l3 * t, inverse2 = 1 / d2;
        const double y1 = g.y - l1 * g.x;
        const double y2 = g.z - l2 * g.x - l3 * y1;
        const double z = y2 * inverse2;
        const double y = y1 * inverse1 - l3 * z;
        const double x = g.x * inverse0 - l1 * y - l2 * z;
        const bool positive = (d0 > 0) & (d1 > 0) & (d2 > 0);
        return {positive ? x : 0, positive ? y : 0, positive ? z : 0};
    }
};

// Weighted sum of squared distances to planes, as p'Ap + 2b'p + c.
struct Quadric {
    Sym3 a;
    Vec3 b;
    double c;

    void add_plane(Vec3 unit_normal, Vec3 point, double weight) {
        const double offset = -dot(unit_normal, point);
        a.add_outer(unit_normal, weight);
        b = b + (weight * offset) * unit_normal;
        c += weight * offset * offset;
    }
    void add(const Quadric& o) {
        a.add(o.a);
        b = b + o.b;
        c += o.c;
    }
    double at(Vec3 p) const { return dot(p, a * p) + 2 * dot(b, p) + c; }
};

// Closest point of triangle abc to p as barycentric weights; returns the squared distance.
// Regions of the triangle's plane as in Ericson, Real-Time Collision Detection, 5.1.5.
inline double closest_on_triangle(Vec3 p, Vec3 a, Vec3 b, Vec3 c, double weights[3]) {
    const Vec3 ab = b - a, ac = c - a, ap = p - a;
    const double d1 = dot(ab, ap), d2 = dot(ac, ap);
    const double ab2 = dot(ab, ab), ac2 = dot(ac, ac), abac = dot(ab, ac);
    const double d3 = d1 - ab2, d4 = d2 - abac;  // with p measured from b
    const double d5 = d1 - abac, d6 = d2 - ac2;  // with p measured from c
    const double vc = d1 * d4 - d3 * d2, vb = d5 * d2 - d1 * d6, va = d3 * d6 - d5 * d4;
    double v = 0, w = 0;
    if (d1 <= 0 && d2 <= 0) {
        v = w = 0;
    } else if (d3 >= 0 && d4 <= d3) {
        v = 1;
    } else if (d6 >= 0 && d5 <= d6) {
        w = 1;
    } else if (vc <= 0 && d1 >= 0 && d3 <= 0) {
        v = d1 / (d1 - d3);
    } else if (vb <= 0 && d2 >= 0 && d6 <= 0) {
        w = d2 / (d2 - d6);
    } else if (va <= 0 && d4 - d3 >= 0 && d5 - d6 >= 0) {
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6));
        v = 1 - w;
    } else {
        const double sum = va + vb + vc;
        v = vb / sum;
        w = vc / sum;
    }
    weights[0] = 1 - v - w;
    weights[1] = v;
    weights[2] = w;
    return squared(ap - (v * ab + w * ac));
}

}  // namespace hy3d

#endif
