// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

// The system's headers stay in this file: Windows' define words like STRICT and min.
#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <pthread.h>
#include <time.h>
#endif

namespace hy3d {

int64_t milliseconds() {
#if defined(_WIN32)
    return static_cast<int64_t>(GetTickCount64());
#else
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
#endif
}

uint64_t this_thread() {
#if defined(_WIN32)
    return GetCurrentThreadId();
#else
    return (uint64_t)pthread_self();  // a number or a pointer, as the system likes
#endif
}

}  // namespace hy3d
