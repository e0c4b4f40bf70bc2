// SPDX-License-Identifier: Apache-2.0
#include "hy3d_spawn.h"

#include <errno.h>

#if defined(__linux__)
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

struct Start {
    const char* program;
    const char* const* arguments;
    const char* const* environment;
    const char* folder;
    const int32_t* streams;
    pid_t parent;
    sigset_t mask;
};

// Handlers are functions of ours, which the new program does not have. What is ignored stays so,
// but for what Python ignores for itself.
void reset_signals(const Start& start) {
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, nullptr, &action) != 0) continue;
        const bool ours = action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
        if (!ours && number != SIGPIPE && number != SIGXFSZ) continue;
        action.sa_handler = SIG_DFL;
        action.sa_flags = 0;
        sigaction(number, &action, nullptr);
    }
    sigprocmask(SIG_SETMASK, &start.mask, nullptr);
}

bool place_streams(const int32_t* streams) {
    int away[3];  // first out of the way of each other
    for (int i = 0; i < 3; i++) {
        away[i] = fcntl(streams[i], F_DUPFD_CLOEXEC, 3);
        if (away[i] < 0) return false;
    }
    for (int i = 0; i < 3; i++) {
        if (dup2(away[i], i) < 0) return false;
    }
    return true;
}

void close_others() {
    const long CLOSE_RANGE = 436;  // the same on all processors; Linux 5.9
    if (syscall(CLOSE_RANGE, 3u, ~0u, 0u) == 0) return;
    rlimit limit;
    const bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1u << 20;
    const int end = known ? static_cast<int>(limit.rlim_cur) : 1 << 20;
    for (int descriptor = 3; descriptor < end; descriptor++) close(descriptor);
}

// In the child, which shares our memory until it runs the program: system calls only. Returns the
// errno of what failed.
int become(const Start& start) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
    if (getppid() != start.parent) return ESRCH;  // ended before we asked
    if (setpgid(0, 0) != 0) return errno;
    reset_signals(start);
    if (!place_streams(start.streams)) return errno;
    if (start.folder != nullptr && chdir(start.folder) != 0) return errno;
    close_others();
    execve(start.program, const_cast<char* const*>(start.arguments),
           const_cast<char* const*>(start.environment));
    return errno;
}

}  // namespace

int32_t hy3d_spawn(const char* program, const char* const* arguments,
                   const char* const* environment, const char* folder, const int32_t* streams) {
    Start start = {program, arguments, environment, folder, streams, getpid(), {}};
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &start.mask);  // no handler runs in the child
    volatile int failed = 0;
    // Not fork: that copies the page tables of a process as large as Blender. We go on when the
    // child has become the program, or has ended.
    const pid_t child = vfork();
    if (child == 0) {
        failed = become(start);
        _exit(127);
    }
    const int error = child < 0 ? errno : failed;
    pthread_sigmask(SIG_SETMASK, &start.mask, nullptr);
    if (error == 0) return child;
    if (child > 0) waitpid(child, nullptr, 0);
    return -error;
}

#else

int32_t hy3d_spawn(const char*, const char* const*, const char* const*, const char*,
                   const int32_t*) {
    return -ENOSYS;
}

#endif
