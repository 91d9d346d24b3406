/* Stands between a program and its disk: writes down every change below a folder, and lets calls fail.
 *
 *     gcc -O2 -shared -fPIC -o disk.so disk.c
 *     TORTURE_ROOT=/abs/folder TORTURE_CONTROL=control [TORTURE_TRACE=trace] [TORTURE_READS=1] LD_PRELOAD=./disk.so program
 *
 * TORTURE_TRACE: every change is appended to that file, with its bytes, in the order in which it took place.
 * TORTURE_CONTROL: a file of the size of `struct control`, shared with whoever watches. He reads how far the trace has
 * come, and sets which calls fail, from when on and with which error, while the program runs.
 *
 * Preloaded functions would miss what a program asks of the kernel without the C library, as the crate rustix does. So
 * the preloaded library has the kernel hand over every such call (seccomp, SIGSYS), whoever makes it. Its own calls carry
 * a sixth argument that no other call has. What it does not know (mmap) shows when the trace is compared with the folder.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the numbers of the calls and the names of the registers are those of x86_64"
#endif

#define OURS 0x70636b75L
#define MOST_FILES 65536
#define MOST_PIECES 64

/* Kinds of calls that can fail. tests/torture/faults.py has the same. */
enum { WRITE = 1, SYNC = 2, CREATE = 4, RENAME = 8, TRUNCATE = 16, MKDIR = 32, UNLINK = 64, READ = 128, OPEN = 256,
       RESERVE = 512 };

/* Records of the trace. tests/torture/power.py has the same. */
enum { R_OPEN = 1, R_WRITE, R_SIZE, R_RESERVE, R_SYNC_BEGIN, R_SYNC_END, R_RENAME, R_UNLINK, R_MKDIR, R_RMDIR, R_LINK,
       R_CLOSE };

struct record {
    uint32_t kind, flags;
    uint64_t handle, offset, length;
    uint32_t path, other; /* how long the two texts are that follow; the bytes of a write come after them */
};

struct control {
    uint64_t position; /* of the end of the trace */
    uint64_t armed;    /* nothing fails while this is 0 */
    uint64_t kinds, error;
    uint64_t first, count;  /* which of the calls of these kinds fail, counted from 1 */
    uint64_t seen, failed;  /* how many there were since somebody set this to 0, how many of them failed */
    uint64_t limit, written; /* while `limit` is not 0, only so many bytes can be written; then there is no room */
    uint64_t strange;        /* calls that the trace has no words for */
};

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static struct control *control;
static char root[PATH_MAX];
static size_t root_length;
static int trace = -1;
/* Which open file below the folder a descriptor stands for; 0 for all others. Copies of a descriptor share it. */
static uint32_t handles[MOST_FILES];
static uint32_t last_handle;
static uint64_t last_sync;

static const int trapped[] = {
    SYS_open, SYS_openat, SYS_openat2, SYS_creat, SYS_close, SYS_close_range, SYS_dup, SYS_dup2, SYS_dup3, SYS_fcntl,
    SYS_write, SYS_writev, SYS_pwrite64, SYS_pwritev, SYS_pwritev2, SYS_copy_file_range, SYS_sendfile, SYS_splice,
    SYS_truncate, SYS_ftruncate, SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_sync_file_range, SYS_rename, SYS_renameat,
    SYS_renameat2, SYS_unlink, SYS_unlinkat, SYS_rmdir, SYS_mkdir, SYS_mkdirat, SYS_link, SYS_linkat, SYS_symlink,
    SYS_symlinkat,
    /* Only where reads are to fail: sockets are read, too. */
    SYS_read, SYS_readv, SYS_pread64, SYS_preadv,
};
#define READS 4

/* A call that the kernel does not hand back to us. Gives -errno, as the kernel does. */
static long sys(long number, long a, long b, long c, long d, long e)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = OURS;
    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static void give_up(const char *why)
{
    sys(SYS_write, 2, (long)why, strlen(why), 0, 0);
    _exit(97);
}

static void lock(void) { pthread_mutex_lock(&one_at_a_time); }
static void unlock(void) { pthread_mutex_unlock(&one_at_a_time); }

static uint32_t handle_of(long fd) { return fd >= 0 && fd < MOST_FILES ? handles[fd] : 0; }

static void set_handle(long fd, uint32_t handle)
{
    if (fd >= 0 && fd < MOST_FILES)
        handles[fd] = handle;
    else if (handle)
        give_up("torture: a descriptor is too large\n");
}

/* ---- paths --------------------------------------------------------------------------------------------------- */

/* The whole path. Links are not followed and dots stay: whoever tests names his folders plainly. */
static int whole_path(int folder, const char *path, char *out)
{
    char link[64];
    long length = 0;
    if (path[0] != '/') {
        if (folder == AT_FDCWD)
            strcpy(link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        length = sys(SYS_readlink, (long)link, (long)out, PATH_MAX - 1, 0, 0);
        if (length < 0)
            return -1;
        out[length++] = '/';
    }
    if (length + strlen(path) >= PATH_MAX)
        return -1;
    strcpy(out + length, path);
    for (length = strlen(out); length > 1 && out[length - 1] == '/'; length--)
        out[length - 1] = 0;
    return 0;
}

static int is_ours(int folder, const char *path, char *out)
{
    return path && whole_path(folder, path, out) == 0 && strncmp(out, root, root_length) == 0
           && (out[root_length] == '/' || out[root_length] == 0);
}

/* ---- what fails, and what is written down -------------------------------------------------------------------- */

static uint64_t next_of(uint64_t *counter) { return __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST); }

/* The error with which a call of this kind has to fail, as a negative number. */
static long failure(uint64_t kind)
{
    if (control->limit && control->written >= control->limit && (kind & (WRITE | CREATE | MKDIR | RESERVE | RENAME))) {
        next_of(&control->failed);
        return -ENOSPC;
    }
    if (!control->armed || !(control->kinds & kind))
        return 0;
    uint64_t number = next_of(&control->seen);
    if (number < control->first || number - control->first >= control->count)
        return 0;
    next_of(&control->failed);
    return -(long)control->error;
}

/* Appends to the trace; the caller holds the lock. The bytes of a write are the first `length` of the pieces. */
static void put(struct record record, const char *path, const char *other, const struct iovec *pieces, int count)
{
    if (trace < 0)
        return;
    record.path = path ? strlen(path) : 0;
    record.other = other ? strlen(other) : 0;
    struct iovec out[MOST_PIECES + 3] = {{&record, sizeof record}, {(void *)path, record.path}, {(void *)other, record.other}};
    size_t total = sizeof record + record.path + record.other, left = record.kind == R_WRITE ? record.length : 0;
    int used = 3;
    for (int i = 0; i < count && left > 0; i++) {
        size_t size = pieces[i].iov_len < left ? pieces[i].iov_len : left;
        out[used++] = (struct iovec){pieces[i].iov_base, size};
        total += size;
        left -= size;
    }
    if (sys(SYS_writev, trace, (long)out, used, 0, 0) != (long)total)
        give_up("torture: the trace cannot be written\n");
    __atomic_store_n(&control->position, control->position + total, __ATOMIC_SEQ_CST);
}

/* ---- calls --------------------------------------------------------------------------------------------------- */

static long do_open(int folder, const char *path, long flags, long mode)
{
    char full[PATH_MAX];
    if (!is_ours(folder, path, full)) {
        long fd = sys(SYS_openat, folder, (long)path, flags, mode, 0);
        set_handle(fd, 0);
        return fd;
    }
    int changes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
    /* It changes nothing in the folder, and nobody here gives it a name: whoever asks wants to know if he could write. */
    int has_no_name = (flags & O_TMPFILE) == O_TMPFILE;
    lock();
    long fd = failure(changes ? CREATE : OPEN);
    if (fd == 0)
        fd = sys(SYS_openat, folder, (long)path, flags, mode, 0);
    if (fd >= 0 && has_no_name) {
        set_handle(fd, 0);
    } else if (fd >= 0) {
        set_handle(fd, ++last_handle);
        put((struct record){.kind = R_OPEN, .flags = flags, .handle = last_handle}, full, 0, 0, 0);
    }
    if (fd >= 0 && (flags & O_DSYNC))
        next_of(&control->strange);
    unlock();
    return fd;
}

/* As much as there is room for, as a full disk does it: a write of one piece is cut, others fail as a whole. */
static long write_within(long fd, struct iovec *pieces, int count, long at)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += pieces[i].iov_len;
    if (control->limit && control->written + total > control->limit) {
        if (count != 1)
            return -ENOSPC;
        pieces[0].iov_len = control->limit - control->written;
    }
    long result = at < 0 ? sys(SYS_writev, fd, (long)pieces, count, 0, 0) : sys(SYS_pwritev, fd, (long)pieces, count, at, 0);
    if (result > 0 && control->limit)
        control->written += result;
    return result;
}

/* `at` is negative for a write that goes on where the last one ended. */
static long do_write(long fd, const struct iovec *given, long count, long at)
{
    struct iovec pieces[MOST_PIECES];
    uint32_t handle = handle_of(fd);
    if (count < 0 || count > MOST_PIECES)
        return -EINVAL;
    memcpy(pieces, given, count * sizeof *pieces);
    if (!handle)
        return at < 0 ? sys(SYS_writev, fd, (long)pieces, count, 0, 0) : sys(SYS_pwritev, fd, (long)pieces, count, at, 0);
    lock();
    long result = failure(WRITE);
    if (result == 0)
        result = write_within(fd, pieces, count, at);
    if (result > 0) {
        uint64_t offset = at < 0 ? sys(SYS_lseek, fd, 0, SEEK_CUR, 0, 0) - result : at;
        put((struct record){.kind = R_WRITE, .handle = handle, .offset = offset, .length = result}, 0, 0, pieces, count);
    }
    unlock();
    return result;
}

static long do_plain_write(long number, long fd, long bytes, long length, long at)
{
    if (!handle_of(fd))
        return sys(number, fd, bytes, length, at, 0);
    struct iovec piece = {(void *)bytes, length};
    return do_write(fd, &piece, 1, at);
}

/* A sync vouches for what was written before it began, and only once it has ended: so it has two records. */
static long do_sync(long number, long fd, long b, long c, long d)
{
    uint32_t handle = handle_of(fd);
    if (!handle)
        return sys(number, fd, b, c, d, 0);
    lock();
    long result = failure(SYNC);
    struct record record = {.kind = R_SYNC_BEGIN, .handle = handle, .offset = ++last_sync};
    /* It starts writing, and vouches for nothing. */
    int counts = number != SYS_sync_file_range;
    if (result == 0 && counts)
        put(record, 0, 0, 0, 0);
    unlock();
    if (result)
        return result;
    result = sys(number, fd, b, c, d, 0);
    if (result == 0 && counts) {
        lock();
        record.kind = R_SYNC_END;
        put(record, 0, 0, 0, 0);
        unlock();
    }
    return result;
}

/* Calls on an open file that change its size. */
static long do_size(long number, long fd, long b, long c, long d, uint64_t kind, struct record record)
{
    record.handle = handle_of(fd);
    if (!record.handle)
        return sys(number, fd, b, c, d, 0);
    lock();
    long result = failure(kind);
    if (result == 0)
        result = sys(number, fd, b, c, d, 0);
    if (result == 0)
        put(record, 0, 0, 0, 0);
    unlock();
    return result;
}

/* Calls that change names: one path, or two. */
static long do_names(long number, const long *a, uint64_t kind, uint32_t as, int folder, long path, int other_folder,
                     long other)
{
    char first[PATH_MAX], second[PATH_MAX] = "";
    int ours = is_ours(folder, (char *)path, first);
    if (other)
        ours |= is_ours(other_folder, (char *)other, second);
    if (!ours)
        return sys(number, a[0], a[1], a[2], a[3], a[4]);
    lock();
    long result = failure(kind);
    if (result == 0)
        result = sys(number, a[0], a[1], a[2], a[3], a[4]);
    if (result == 0)
        put((struct record){.kind = as}, first, second, 0, 0);
    unlock();
    return result;
}

static long do_symlink(long number, const long *a, int folder, long path)
{
    char full[PATH_MAX];
    if (is_ours(folder, (char *)path, full))
        next_of(&control->strange);
    return sys(number, a[0], a[1], a[2], a[3], a[4]);
}

static long do_close(long fd)
{
    uint32_t handle = handle_of(fd);
    if (!handle)
        return sys(SYS_close, fd, 0, 0, 0, 0);
    lock();
    set_handle(fd, 0);
    put((struct record){.kind = R_CLOSE, .handle = handle}, 0, 0, 0, 0);
    long result = sys(SYS_close, fd, 0, 0, 0, 0);
    unlock();
    return result;
}

static long do_copy(long number, const long *a, long from)
{
    lock();
    long fd = sys(number, a[0], a[1], a[2], a[3], a[4]);
    if (fd >= 0)
        set_handle(fd, handle_of(from));
    unlock();
    return fd;
}

static long do_fcntl(const long *a)
{
    int copies = a[1] == F_DUPFD || a[1] == F_DUPFD_CLOEXEC;
    return copies ? do_copy(SYS_fcntl, a, a[0]) : sys(SYS_fcntl, a[0], a[1], a[2], 0, 0);
}

static long do_read(long number, const long *a)
{
    long result = handle_of(a[0]) ? failure(READ) : 0;
    return result ? result : sys(number, a[0], a[1], a[2], a[3], a[4]);
}

static long with_names(long number, const long *a)
{
    int here = AT_FDCWD;
    switch (number) {
    case SYS_rename: return do_names(number, a, RENAME, R_RENAME, here, a[0], here, a[1]);
    case SYS_renameat2:
        if (a[4])
            next_of(&control->strange);
        /* fall through */
    case SYS_renameat: return do_names(number, a, RENAME, R_RENAME, a[0], a[1], a[2], a[3]);
    case SYS_unlink: return do_names(number, a, UNLINK, R_UNLINK, here, a[0], 0, 0);
    case SYS_unlinkat: return do_names(number, a, UNLINK, a[2] & AT_REMOVEDIR ? R_RMDIR : R_UNLINK, a[0], a[1], 0, 0);
    case SYS_rmdir: return do_names(number, a, UNLINK, R_RMDIR, here, a[0], 0, 0);
    case SYS_mkdir: return do_names(number, a, MKDIR, R_MKDIR, here, a[0], 0, 0);
    case SYS_mkdirat: return do_names(number, a, MKDIR, R_MKDIR, a[0], a[1], 0, 0);
    case SYS_link: return do_names(number, a, CREATE, R_LINK, here, a[0], here, a[1]);
    case SYS_linkat: return do_names(number, a, CREATE, R_LINK, a[0], a[1], a[2], a[3]);
    case SYS_symlink: return do_symlink(number, a, here, a[1]);
    default: return do_symlink(number, a, a[1], a[2]);
    }
}

static long answer(long number, const long *a)
{
    struct record size = {.kind = R_SIZE, .length = a[1]};
    struct record reserve = {.kind = R_RESERVE, .flags = a[1], .offset = a[2], .length = a[3]};
    switch (number) {
    case SYS_open: return do_open(AT_FDCWD, (char *)a[0], a[1], a[2]);
    case SYS_openat: return do_open(a[0], (char *)a[1], a[2], a[3]);
    case SYS_creat: return do_open(AT_FDCWD, (char *)a[0], O_CREAT | O_WRONLY | O_TRUNC, a[1]);
    case SYS_close: return do_close(a[0]);
    case SYS_dup: case SYS_dup2: case SYS_dup3: return do_copy(number, a, a[0]);
    case SYS_fcntl: return do_fcntl(a);
    case SYS_write: return do_plain_write(number, a[0], a[1], a[2], -1);
    case SYS_pwrite64: return do_plain_write(number, a[0], a[1], a[2], a[3]);
    case SYS_writev: return do_write(a[0], (struct iovec *)a[1], a[2], -1);
    case SYS_pwritev: return do_write(a[0], (struct iovec *)a[1], a[2], a[3]);
    case SYS_ftruncate: return do_size(number, a[0], a[1], 0, 0, TRUNCATE, size);
    case SYS_fallocate: return do_size(number, a[0], a[1], a[2], a[3], RESERVE, reserve);
    case SYS_fsync: case SYS_fdatasync: case SYS_sync_file_range: return do_sync(number, a[0], a[1], a[2], a[3]);
    case SYS_read: case SYS_readv: case SYS_pread64: case SYS_preadv: return do_read(number, a);
    case SYS_sendfile: return handle_of(a[0]) ? -EINVAL : sys(number, a[0], a[1], a[2], a[3], a[4]);
    /* They have a sixth argument, or no open file: whoever asks has another way, which is seen. */
    case SYS_openat2: case SYS_copy_file_range: case SYS_splice: case SYS_pwritev2: case SYS_close_range: case SYS_truncate:
        return -ENOSYS;
    default: return with_names(number, a);
    }
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const long arguments[] = {r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8]};
    (void)signal;
    r[REG_RAX] = answer(info->si_syscall, arguments);
}

/* ---- the beginning ------------------------------------------------------------------------------------------- */

static void have_calls_handed_over(int with_reads)
{
    enum { ALL = sizeof trapped / sizeof *trapped };
    int count = with_reads ? ALL : ALL - READS, n = 0;
    struct sock_filter filter[ALL + 8];
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < count; i++) /* to the look at the sixth argument, which comes after the line that lets pass */
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, trapped[i], count - i, 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5]));
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OURS, 0, 1);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    struct sock_fprog program = {n, filter};
    /* Signals wait meanwhile: their handlers may write, and the lock is taken. */
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        give_up("torture: the kernel does not hand its calls over\n");
}

__attribute__((constructor)) static void begin(void)
{
    const char *folder = getenv("TORTURE_ROOT"), *shared = getenv("TORTURE_CONTROL"), *to = getenv("TORTURE_TRACE");
    if (!folder || !shared)
        return;
    strncpy(root, folder, sizeof root - 1);
    root_length = strlen(root);
    int fd = open(shared, O_RDWR | O_CLOEXEC);
    control = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || control == MAP_FAILED)
        give_up("torture: no control file\n");
    close(fd);
    if (to && (trace = open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)
        give_up("torture: no trace file\n");
    have_calls_handed_over(getenv("TORTURE_READS") != 0);
}
