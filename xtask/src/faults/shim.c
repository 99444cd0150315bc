/* Makes the system calls of a process fail or take their time, as told through a file that it and its tester share.
 *
 * Preloaded (LD_PRELOAD) into the server under test. `FAULTS_KNOBS` names the file: a row of 64-bit numbers, in the
 * order of `enum knob`, that the tester writes while the server runs. `FAULTS_FOLDER` is the folder whose files are
 * meant; sockets, the log and everything else are left alone. With every knob at zero nothing changes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum knob {
    SYNC_ERROR,     /* errno of fsync and fdatasync; 0: none */
    WRITE_ERROR,    /* errno of everything that writes or changes a file's length */
    OPEN_ERROR,     /* errno of opening a file for writing */
    SYNC_DELAY_MS,  /* how long fsync and fdatasync take more */
    WRITE_DELAY_MS, /* how long each write takes more */
    CLOCK_SHIFT_MS, /* what is added to the time of day */
    LOADED,         /* written by us: how many processes took this shim in */
    HITS,           /* written by us: how many calls failed or waited */
    KNOBS
};

static _Atomic int64_t *knobs;
static char folder[PATH_MAX];
static size_t folder_length;

static int (*next_fsync)(int);
static int (*next_fdatasync)(int);
static ssize_t (*next_write)(int, const void *, size_t);
static ssize_t (*next_writev)(int, const struct iovec *, int);
static ssize_t (*next_pwrite64)(int, const void *, size_t, off64_t);
static int (*next_ftruncate64)(int, off64_t);
static int (*next_fallocate64)(int, int, off64_t, off64_t);
static int (*next_open64)(const char *, int, ...);
static int (*next_openat64)(int, const char *, int, ...);
static int (*next_clock_gettime)(clockid_t, struct timespec *);

static void find_next(void) {
    next_fsync = dlsym(RTLD_NEXT, "fsync");
    next_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    next_write = dlsym(RTLD_NEXT, "write");
    next_writev = dlsym(RTLD_NEXT, "writev");
    next_pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
    next_ftruncate64 = dlsym(RTLD_NEXT, "ftruncate64");
    next_fallocate64 = dlsym(RTLD_NEXT, "fallocate64");
    next_open64 = dlsym(RTLD_NEXT, "open64");
    next_openat64 = dlsym(RTLD_NEXT, "openat64");
    next_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
}

__attribute__((constructor)) static void begin(void) {
    find_next();
    const char *path = getenv("FAULTS_KNOBS");
    const char *meant = getenv("FAULTS_FOLDER");
    if (path == NULL || meant == NULL || realpath(meant, folder) == NULL) return;
    folder_length = strlen(folder);
    int file = next_open64(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *shared = mmap(NULL, KNOBS * sizeof *knobs, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared == MAP_FAILED) return;
    knobs = shared;
    knobs[LOADED]++;
}

static int64_t value(enum knob knob) {
    return knobs == NULL ? 0 : knobs[knob];
}

static int is_in_folder(const char *path) {
    return strncmp(path, folder, folder_length) == 0 && (path[folder_length] == '/' || path[folder_length] == 0);
}

static int is_meant(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_in_folder(path);
}

static void wait_ms(int64_t ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&time, &time) != 0 && errno == EINTR) {}
}

/* Waits and fails as the two knobs say; not 0: the call has failed, and errno is set. */
static int meets_fault(int file, enum knob error, enum knob delay) {
    int64_t code = value(error), ms = value(delay);
    if ((code == 0 && ms == 0) || !is_meant(file)) return 0;
    knobs[HITS]++;
    if (ms != 0) wait_ms(ms);
    if (code == 0) return 0;
    errno = (int)code;
    return 1;
}

int fsync(int file) {
    return meets_fault(file, SYNC_ERROR, SYNC_DELAY_MS) ? -1 : next_fsync(file);
}

int fdatasync(int file) {
    return meets_fault(file, SYNC_ERROR, SYNC_DELAY_MS) ? -1 : next_fdatasync(file);
}

ssize_t write(int file, const void *bytes, size_t length) {
    if (next_write == NULL) find_next();
    return meets_fault(file, WRITE_ERROR, WRITE_DELAY_MS) ? -1 : next_write(file, bytes, length);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    return meets_fault(file, WRITE_ERROR, WRITE_DELAY_MS) ? -1 : next_writev(file, parts, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) {
    return meets_fault(file, WRITE_ERROR, WRITE_DELAY_MS) ? -1 : next_pwrite64(file, bytes, length, at);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
    return pwrite64(file, bytes, length, at);
}

int ftruncate64(int file, off64_t length) {
    return meets_fault(file, WRITE_ERROR, WRITE_DELAY_MS) ? -1 : next_ftruncate64(file, length);
}

int ftruncate(int file, off_t length) {
    return ftruncate64(file, length);
}

int fallocate64(int file, int mode, off64_t at, off64_t length) {
    return meets_fault(file, WRITE_ERROR, WRITE_DELAY_MS) ? -1 : next_fallocate64(file, mode, at, length);
}

static int open_fails(const char *path, int flags) {
    int64_t code = value(OPEN_ERROR);
    if (code == 0 || (flags & O_ACCMODE) == O_RDONLY || !is_in_folder(path)) return 0;
    knobs[HITS]++;
    errno = (int)code;
    return 1;
}

static mode_t mode_of(int flags, va_list rest) {
    return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(rest, int) : 0;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    if (next_open64 == NULL) find_next();
    return open_fails(path, flags) ? -1 : next_open64(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open64(path, flags, mode);
}

int openat64(int from, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_fails(path, flags) ? -1 : next_openat64(from, path, flags, mode);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (next_clock_gettime == NULL) find_next();
    int result = next_clock_gettime(clock, time);
    int64_t shift = clock == CLOCK_REALTIME ? value(CLOCK_SHIFT_MS) : 0;
    if (result == 0 && shift != 0) {
        int64_t nanos = time->tv_nsec + shift % 1000 * 1000000;
        time->tv_sec += shift / 1000 + nanos / 1000000000;
        time->tv_nsec = nanos % 1000000000;
        if (time->tv_nsec < 0) {
            time->tv_nsec += 1000000000;
            time->tv_sec--;
        }
    }
    return result;
}
