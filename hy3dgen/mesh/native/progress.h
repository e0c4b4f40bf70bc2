// SPDX-License-Identifier: Apache-2.0
// Calls the caller's progress function at most 50 times a second and remembers a cancel.
#ifndef HY3D_PROGRESS_H
#define HY3D_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "hy3d_mesh.h"

namespace hy3d {

// Of a clock that never goes back.
int64_t milliseconds();

// Tells threads apart.
uint64_t this_thread();

class Progress {
public:
    explicit Progress(hy3d_progress callback) : callback_(callback), owner_(this_thread()) {}

    // The part of the whole, [begin, end], that the fractions of the next stage fill.
    void stage(double begin, double end) {
        begin_ = begin;
        end_ = end;
        fraction_ = 0;
    }

    // False once the caller has cancelled. May be asked from any thread; the callback is called on
    // the one that made this. Cheap enough for every few hundred steps of work.
    [[nodiscard]] bool report(double fraction) {
        if (!callback_) return true;
        if (this_thread() == owner_ && !cancelled()) {
            const int64_t now = milliseconds();
            if (now - last_ < 20) return true;
            last_ = now;
            fraction_ = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
            if (callback_(begin_ + (end_ - begin_) * fraction_) != 0)
                __atomic_store_n(&cancelled_, true, __ATOMIC_RELAXED);
        }
        return !cancelled();
    }

    double fraction() const { return fraction_; }  // the last that was told; for the owner's thread

    // The same for plain loops, which ask before every step; the fraction stays.
    [[nodiscard]] bool go_on(size_t step) { return step % STEPS != 0 || report(fraction_); }

private:
    static constexpr size_t STEPS = 32768;

    bool cancelled() const { return __atomic_load_n(&cancelled_, __ATOMIC_RELAXED); }

    hy3d_progress callback_;
    uint64_t owner_;
    double begin_ = 0, end_ = 1, fraction_ = 0;  // the last that was told
    int64_t last_ = INT64_MIN / 2;
    bool cancelled_ = false;
};

}  // namespace hy3d

#endif
