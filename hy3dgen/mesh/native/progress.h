// SPDX-License-Identifier: Apache-2.0
// Calls the caller's progress function at most 50 times a second and remembers a cancel.
#ifndef HY3D_PROGRESS_H
#define HY3D_PROGRESS_H

#include <stdint.h>

#include "hy3d_mesh.h"

namespace hy3d {

// Of a clock that never goes back.
int64_t milliseconds();

class Progress {
public:
    explicit Progress(hy3d_progress callback) : callback_(callback) {}

    // The part of the whole, [begin, end], that the fractions of the next stage fill.
    void stage(double begin, double end) {
        begin_ = begin;
        end_ = end;
    }

    // False once the caller has cancelled. Cheap enough for every few hundred steps of work.
    [[nodiscard]] bool report(double fraction) {
        if (!callback_ || cancelled_) return !cancelled_;
        const int64_t now = milliseconds();
        if (now - last_ < 20) return true;
        last_ = now;
        const double clamped = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
        cancelled_ = callback_(begin_ + (end_ - begin_) * clamped) != 0;
        return !cancelled_;
    }

private:
    hy3d_progress callback_;
    double begin_ = 0, end_ = 1;
    int64_t last_ = INT64_MIN / 2;
    bool cancelled_ = false;
};

}  // namespace hy3d

#endif
