/* A write to a file that takes half of what it was given; preloaded into a saving program. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SHORT = 1, KILL = 2, FULL = 3 };

static long wanted = -1, seen;
static int mode;

void tear_arm(long call, int how) { seen = 0; wanted = call; mode = how; }
long tear_seen(void) { return seen; }

/* Only files count: what the test and the program say to each other goes through sockets. */
static int torn(int descriptor, size_t size) {
    struct stat status;
    if (wanted < 0 || size < 2 || fstat(descriptor, &status) || !S_ISREG(status.st_mode)) return 0;
    return ++seen == wanted;
}

static ssize_t tear(int descriptor, const void *data, size_t size, off_t place, int positioned) {
    ssize_t done = positioned ? syscall(SYS_pwrite64, descriptor, data, size / 2, place)
                              : syscall(SYS_write, descriptor, data, size / 2);
    if (mode == KILL) kill(getpid(), SIGKILL);
    if (mode == FULL) { errno = ENOSPC; return -1; }
    return done;
}

ssize_t write(int descriptor, const void *data, size_t size) {
    if (torn(descriptor, size)) return tear(descriptor, data, size, 0, 0);
    return syscall(SYS_write, descriptor, data, size);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t place) {
    if (torn(descriptor, size)) return tear(descriptor, data, size, place, 1);
    return syscall(SYS_pwrite64, descriptor, data, size, place);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off_t place) {
    return pwrite(descriptor, data, size, place);
}

/* Of several pieces the first is torn. */
ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
    if (count > 0 && torn(descriptor, pieces[0].iov_len))
        return tear(descriptor, pieces[0].iov_base, pieces[0].iov_len, 0, 0);
    return syscall(SYS_writev, descriptor, pieces, count);
}
