// SPDX-License-Identifier: Apache-2.0
#include "threads.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#endif

namespace hy3d {
namespace {

struct Queue {
    void (*job)(void*, int32_t);
    void* context;
    int32_t count;
    int32_t next;

    void work() {
        for (;;) {
            const int32_t i = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
            if (i >= count) return;
            job(context, i);
        }
    }
};

#if defined(_WIN32)

using Thread = HANDLE;

DWORD WINAPI enter(void* queue) {
    static_cast<Queue*>(queue)->work();
    return 0;
}
bool start(Thread* thread, Queue* queue) {
    *thread = CreateThread(nullptr, 0, enter, queue, 0, nullptr);
    return *thread != nullptr;
}
void join(Thread thread) {
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

#else

using Thread = pthread_t;

void* enter(void* queue) {
    static_cast<Queue*>(queue)->work();
    return nullptr;
}
bool start(Thread* thread, Queue* queue) {
    return pthread_create(thread, nullptr, enter, queue) == 0;
}
void join(Thread thread) { pthread_join(thread, nullptr); }

#endif

}  // namespace

void yield_thread() {
#if defined(_WIN32)
    SwitchToThread();
#else
    sched_yield();
#endif
}

int32_t processor_count() {
#if defined(_WIN32)
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    const int64_t count = info.dwNumberOfProcessors;
#else
    const int64_t count = sysconf(_SC_NPROCESSORS_ONLN);
#endif
    return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : static_cast<int32_t>(count);
}

void run_jobs(int32_t threads, int32_t count, void (*job)(void*, int32_t), void* context) {
    Queue queue = {job, context, count, 0};
    Thread started[MAX_THREADS];
    int32_t helpers = 0;
    while (helpers + 1 < threads && helpers + 1 < count && helpers < MAX_THREADS &&
           start(&started[helpers], &queue))
        helpers++;
    queue.work();
    for (int32_t i = 0; i < helpers; i++) join(started[i]);
}

}  // namespace hy3d
