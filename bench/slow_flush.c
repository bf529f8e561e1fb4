/* Every flush of a file to its disk takes longer, by $BENCH_FLUSH_US microseconds. To be preloaded; see slow_disk.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int flush_and_wait(const char *name, int fd)
{
    int (*flush)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = flush(fd);
    const char *told = getenv("BENCH_FLUSH_US");
    long microseconds = told ? atol(told) : 0;
    struct timespec wait = {microseconds / 1000000, microseconds % 1000000 * 1000};
    nanosleep(&wait, NULL);
    return result;
}

int fsync(int fd)
{
    return flush_and_wait("fsync", fd);
}

int fdatasync(int fd)
{
    return flush_and_wait("fdatasync", fd);
}
