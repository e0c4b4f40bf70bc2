// SPDX-License-Identifier: Apache-2.0
// Spreads independent jobs over threads. Knows nothing about meshes.
#ifndef HY3D_THREADS_H
#define HY3D_THREADS_H

#include <stddef.h>
#include <stdint.h>


namespace hy3d {

constexpr int32_t MAX_THREADS = 64;

// How many threads the machine runs at once; at least 1.
int32_t processor_count();

// Lets another thread go first; for a thread that has to wait for others.
void yield_thread();

// Calls job(context, i) once for each i in [0, count), on up to `threads` threads, of which the
// caller is one, and returns when all have ended. Which thread takes which job is left open, so a
// result must depend on i alone. Where a thread cannot be started, the others do its work.
void run_jobs(int32_t threads, int32_t count, void (*job)(void*, int32_t), void* context);

template <typename Job>
void for_each_job(int32_t threads, size_t count, Job job) {
    run_jobs(
        threads, static_cast<int32_t>(count),
        [](void* context, int32_t i) { (*static_cast<Job*>(context))(static_cast<size_t>(i)); },
        &job);
}

// Jobs of about `size` neighbouring elements each.
template <typename Job>
void for_each_range(int32_t threads, size_t count, size_t size, Job job) {
    for_each_job(threads, (count + size - 1) / size, [&](size_t i) {
        const size_t end = (i + 1) * size;
        job(i * size, end < count ? end : count);
    });
}

}  // namespace hy3d

#endif
