/* A disk that may lose its power, fail an fsync, or be full: laid over a process by LD_PRELOAD.
 *
 * What a process writes to files in POWER_DIR stands there as always. POWER_SHADOW has what a disk would keep: a write
 * comes there with the fsync after it. At the operation POWER_CUT_AT the process ends; of what was not synced, some
 * sectors have come to the disk and others have not, as POWER_SEED has it.
 *
 * POWER_FAIL_SYNC_AT: that fsync fails, and what it should have synced is lost. POWER_FULL_AT, POWER_FULL_FOR: from that
 * write on, so many fail, since the disk is full.
 *
 * While POWER_CONTROL has a file of this name: `full`, every write fails, since the disk is full; `quota`, since a quota
 * is used up; `limit`, since files may grow no more; `fail`, every fsync fails; `fail-file`, every fsync of the file, and
 * none of its write-ahead log; `hold`, an fsync waits, and so does a read of what stands at POWER_READ_AT; `held` says that
 * one does.
 *
 * The index of the write-ahead log and the lock are left alone: a disk need not keep them. Of what is written to see
 * whether there is room, nothing is kept. Names are kept at once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 512
#define FILES 64
#define DESCRIPTORS 4096
#define PROBE (-1)

struct change {
    struct change *next;
    off_t at;
    size_t len; /* of data */
    int cuts;   /* it sets the size to `at` */
    char data[];
};

struct file {
    char name[256];
    int shadow;
    struct change *first, **last;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES];
static int of_descriptor[DESCRIPTORS]; /* 0: not ours; PROBE; else the file's place + 1 */
static const char *dir, *shadow_dir, *control;
static long cut_at = -1, read_at = -1, fail_sync_at = -1, full_at = -1, full_for;
static long operations, syncs, writes;
static uint64_t seed = 1;

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_unlink)(const char *);

static long number(const char *name, long otherwise) {
    const char *value = getenv(name);
    return value ? atol(value) : otherwise;
}

__attribute__((constructor)) static void begin(void) {
    real_open = dlsym(RTLD_NEXT, "open");
    real_close = dlsym(RTLD_NEXT, "close");
    real_pread = dlsym(RTLD_NEXT, "pread");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    dir = getenv("POWER_DIR");
    shadow_dir = getenv("POWER_SHADOW");
    control = getenv("POWER_CONTROL");
    seed = (uint64_t)number("POWER_SEED", 1) * 2654435761u + 1;
    cut_at = number("POWER_CUT_AT", -1);
    fail_sync_at = number("POWER_FAIL_SYNC_AT", -1);
    full_at = number("POWER_FULL_AT", -1);
    full_for = number("POWER_FULL_FOR", 0);
    read_at = number("POWER_READ_AT", -1);
}

static uint32_t chance(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

/* The name of a file of ours within the directory, or NULL. */
static const char *ours(const char *path) {
    if (!dir || !shadow_dir || strncmp(path, dir, strlen(dir)) || path[strlen(dir)] != '/') return NULL;
    const char *name = path + strlen(dir) + 1;
    int known = !strcmp(name, "eric.db") || !strcmp(name, "eric.db-wal") || !strcmp(name, "eric.db-journal");
    return known ? name : NULL;
}

static void shadow_path(char *path, size_t size, const char *name) {
    snprintf(path, size, "%s/%s", shadow_dir, name);
}

/* Whether whoever controls it wants this now. */
static int asked(const char *what) {
    char path[4096];
    if (!control) return 0;
    snprintf(path, sizeof path, "%s/%s", control, what);
    return !access(path, F_OK);
}

static void hold(void) {
    char path[4096];
    if (!asked("hold")) return;
    snprintf(path, sizeof path, "%s/held", control);
    real_close(real_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    while (asked("hold")) usleep(1000);
}

static void attach(int descriptor, const char *name) {
    if (descriptor < 0 || descriptor >= DESCRIPTORS) return;
    int place = 0;
    while (place < FILES && files[place].name[0] && strcmp(files[place].name, name)) place++;
    if (place == FILES) abort();
    struct file *file = &files[place];
    if (!file->name[0]) {
        char path[4096];
        snprintf(file->name, sizeof file->name, "%s", name);
        shadow_path(path, sizeof path, name);
        file->shadow = real_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        file->last = &file->first;
        if (file->shadow < 0) abort();
    }
    of_descriptor[descriptor] = place + 1;
}

static struct file *file_of(int descriptor) {
    if (descriptor < 0 || descriptor >= DESCRIPTORS || of_descriptor[descriptor] <= 0) return NULL;
    return &files[of_descriptor[descriptor] - 1];
}

static void note(struct file *file, int cuts, off_t at, const void *data, size_t len) {
    struct change *change = malloc(sizeof *change + len);
    if (!change) abort();
    *change = (struct change){NULL, at, len, cuts};
    if (len) memcpy(change->data, data, len);
    *file->last = change;
    file->last = &change->next;
}

static void put(struct file *file, const char *data, size_t len, off_t at) {
    if (real_pwrite(file->shadow, data, len, at) != (ssize_t)len) abort();
}

/* Some sectors of a write: each has come to the disk or has not. */
static void put_some(struct file *file, const struct change *change) {
    for (size_t done = 0; done < change->len;) {
        size_t part = SECTOR - (size_t)((change->at + (off_t)done) % SECTOR);
        if (part > change->len - done) part = change->len - done;
        if (chance() % 2) put(file, change->data + done, part, change->at + (off_t)done);
        done += part;
    }
}

static void settle(struct file *file, int all) {
    /* a disk that loses its power has often begun nothing, or nearly finished */
    uint32_t mood = chance() % 4;
    for (struct change *change = file->first; change;) {
        struct change *next = change->next;
        int keep = all || mood == 3 || (mood && chance() % 2);
        if (keep && change->cuts) {
            if (real_ftruncate(file->shadow, change->at)) abort();
        } else if (all || (keep && chance() % 2)) {
            put(file, change->data, change->len, change->at);
        } else if (keep) {
            put_some(file, change);
        }
        free(change);
        change = next;
    }
    file->first = NULL;
    file->last = &file->first;
}

static void forget(struct file *file) {
    for (struct change *change = file->first; change;) {
        struct change *next = change->next;
        free(change);
        change = next;
    }
    file->first = NULL;
    file->last = &file->first;
}

/* The name goes at once; another file may have it later. */
static void lose(const char *name) {
    char gone[4096];
    shadow_path(gone, sizeof gone, name);
    real_unlink(gone);
    for (int place = 0; place < FILES && files[place].name[0]; place++) {
        if (strcmp(files[place].name, name)) continue;
        forget(&files[place]);
        strcpy(files[place].name, "/");
    }
}

static void operate(void) {
    if (cut_at < 0 || ++operations < cut_at) return;
    for (int place = 0; place < FILES && files[place].name[0]; place++) settle(&files[place], 0);
    _exit(86);
}

/* What keeps a write from being done; 0: nothing does. */
static int refused(void) {
    if (asked("quota")) return EDQUOT;
    if (asked("limit")) return EFBIG;
    int full = asked("full") || (full_at >= 0 && writes >= full_at && writes < full_at + full_for);
    return full ? ENOSPC : 0;
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(rest, int) : 0;
    va_end(rest);
    int descriptor = real_open(path, flags, mode);
    const char *name = ours(path), *end = strrchr(path, '/');
    if (end && !strcmp(end, "/eric.probe") && descriptor >= 0 && descriptor < DESCRIPTORS) {
        of_descriptor[descriptor] = PROBE;
    }
    if (name && descriptor >= 0) {
        pthread_mutex_lock(&lock);
        attach(descriptor, name);
        pthread_mutex_unlock(&lock);
    }
    return descriptor;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(rest, int) : 0;
    va_end(rest);
    return open(path, flags, mode);
}

int close(int descriptor) {
    if (descriptor >= 0 && descriptor < DESCRIPTORS) of_descriptor[descriptor] = 0;
    return real_close(descriptor);
}

ssize_t pread(int descriptor, void *data, size_t len, off_t at) {
    if (read_at >= at && read_at < at + (off_t)len && file_of(descriptor)) hold();
    return real_pread(descriptor, data, len, at);
}

ssize_t pread64(int descriptor, void *data, size_t len, off_t at) {
    return pread(descriptor, data, len, at);
}

ssize_t pwrite(int descriptor, const void *data, size_t len, off_t at) {
    struct file *file = file_of(descriptor);
    int probes = descriptor >= 0 && descriptor < DESCRIPTORS && of_descriptor[descriptor] == PROBE;
    if (probes && (errno = refused())) return -1;
    if (!file) return real_pwrite(descriptor, data, len, at);
    pthread_mutex_lock(&lock);
    ssize_t written = -1;
    writes++;
    int refuses = refused();
    if (refuses) {
        errno = refuses;
    } else {
        written = real_pwrite(descriptor, data, len, at);
        int error = errno;
        if (written > 0) note(file, 0, at, data, (size_t)written);
        operate();
        errno = error;
    }
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite64(int descriptor, const void *data, size_t len, off_t at) {
    return pwrite(descriptor, data, len, at);
}

ssize_t write(int descriptor, const void *data, size_t len) {
    if (!file_of(descriptor)) return real_write(descriptor, data, len);
    off_t at = lseek(descriptor, 0, SEEK_CUR);
    ssize_t written = pwrite(descriptor, data, len, at);
    if (written > 0) lseek(descriptor, at + written, SEEK_SET);
    return written;
}

int ftruncate(int descriptor, off_t size) {
    struct file *file = file_of(descriptor);
    int done = real_ftruncate(descriptor, size);
    if (!file || done) return done;
    pthread_mutex_lock(&lock);
    note(file, 1, size, NULL, 0);
    operate();
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate64(int descriptor, off_t size) {
    return ftruncate(descriptor, size);
}

int fsync(int descriptor) {
    struct file *file = file_of(descriptor);
    if (!file) return real_fsync(descriptor);
    hold();
    pthread_mutex_lock(&lock);
    operate();
    int failed = ++syncs == fail_sync_at || asked("fail");
    failed = failed || (!strcmp(file->name, "eric.db") && asked("fail-file"));
    if (failed) {
        forget(file);
    } else {
        settle(file, 1);
    }
    pthread_mutex_unlock(&lock);
    if (failed) errno = EIO;
    return failed ? -1 : 0;
}

int fdatasync(int descriptor) {
    return fsync(descriptor);
}

int unlink(const char *path) {
    const char *name = ours(path);
    if (name) {
        pthread_mutex_lock(&lock);
        lose(name);
        pthread_mutex_unlock(&lock);
    }
    return real_unlink(path);
}
