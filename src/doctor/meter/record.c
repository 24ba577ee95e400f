/* The recording of this process: begun, extended by slots, handed on over fork, finished. */
#include "base/proc.h"
#include "doctor/meter/beside.h"
#include "doctor/meter/blocks.h"
#include "doctor/meter/meter.h"
#include "doctor/meter/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FIRST_SLOTS = 16, MOST_IMAGES = 100000 };

/* glibc 2.32 and later: whether the process has one thread. Elsewhere the address is NULL. */
extern char __libc_single_threaded __attribute__((weak, visibility("default")));

meter_process meter_here;
_Thread_local meter_thread meter_self __attribute__((tls_model("initial-exec")));

/* Counts from before the recording was begun; in a forked child, what was live in its parent. */
static ladle_meter_slot before;
static _Atomic int before_is_taken; /* by a thread that forks */

static _Atomic uint64_t taken[LADLE_METER_SLOTS / 64]; /* a bit for each slot */
static _Atomic int32_t slots_ready;                    /* slots that have space in the file */
static _Atomic int grower;                             /* 1 while a thread makes space */
static pthread_key_t thread_end;
static bool has_thread_end;

void meter_say(const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int n = snprintf(line, sizeof line, "ladle meter: ");
    n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, arguments);
    va_end(arguments);
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    line[n++] = '\n';
    (void)meter_write(STDERR_FILENO, line, (size_t)n);
}

void meter_lower(void)
{
    if (--meter_self.guard == 0)
        meter_self.slot = meter_here.is_slow ? NULL : meter_self.own;
}

/* --- the file ------------------------------------------------------------------------------------ */

/* Space for [offset, offset + nbytes): a mapped page without any would end the program with SIGBUS when the disk is
 * full. An errno, or 0. */
static int make_space(int fd, uint64_t offset, uint64_t nbytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < offset + nbytes)
        return EFBIG; /* going on would be SIGXFSZ */
    if (fallocate(fd, 0, (off_t)offset, (off_t)nbytes) == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return errno;
    static const char zeros[LADLE_METER_PAGE];
    for (uint64_t done = 0; done < nbytes; done += sizeof zeros)
        if (lseek(fd, (off_t)(offset + done), SEEK_SET) < 0 ||
            meter_write(fd, zeros, sizeof zeros) != (ssize_t)sizeof zeros)
            return errno == 0 ? ENOSPC : errno;
    return 0;
}

/* The number of this image of the process. What comes before it of the same process was replaced by exec. */
static int create(const char *folder, int64_t process_start, char *path, size_t size)
{
    for (int n = 0; n < MOST_IMAGES; n++) {
        (void)snprintf(path, size, "%s/%d.%d.meter", folder, (int)meter_here.pid, n);
        int fd = meter_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd;
        int other = meter_open(path, O_RDWR, 0);
        if (other < 0)
            continue;
        ladle_meter_header *header = mmap(NULL, LADLE_METER_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
        meter_close(other);
        if (header == MAP_FAILED)
            continue;
        int32_t runs = LADLE_RECORDING_RUNS;
        if (memcmp(header->magic, LADLE_METER_MAGIC, sizeof header->magic) == 0 &&
            header->process_start == process_start)
            (void)atomic_compare_exchange_strong(&header->end, &runs, LADLE_RECORDING_REPLACED);
        (void)munmap(header, LADLE_METER_PAGE);
    }
    errno = EEXIST;
    return -1;
}

static void read_command(char *command, size_t size)
{
    ssize_t n = meter_read_file("/proc/self/cmdline", command, size);
    for (ssize_t i = 0; i + 1 < n; i++)
        if (command[i] == '\0')
            command[i] = ' ';
}

static void fill_header(ladle_meter_header *header, const char *stat)
{
    header->version = LADLE_METER_VERSION;
    header->header_nbytes = sizeof(ladle_meter_header);
    header->sample_nbytes = sizeof(ladle_sample);
    header->slot_nbytes = sizeof(ladle_meter_slot);
    header->samples_offset = LADLE_METER_SAMPLES_OFFSET;
    header->slots_offset = LADLE_METER_SLOTS_OFFSET;
    header->pid = meter_here.pid;
    header->parent = getppid();
    header->start_ns = meter_now();
    header->process_start = ladle_proc_stat_field(stat, 22);
    int64_t image = ladle_proc_stat_field(stat, 48);
    header->image = image > 0 ? image : 0;
    atomic_store(&header->python_arenas, meter_python_arenas());
    atomic_store(&header->slots_used, 1);
    (void)snprintf(header->allocator, sizeof header->allocator, "%s", meter_allocator_name());
    read_command(header->command, sizeof header->command);
}

/* An errno, or 0. */
static int open_recording(void)
{
    char stat[1024] = "", path[sizeof meter_here.path];
    (void)meter_read_file("/proc/self/stat", stat, sizeof stat);
    int fd = create(meter_here.options.folder, ladle_proc_stat_field(stat, 22), path, sizeof path);
    if (fd < 0)
        return errno;
    uint64_t first = LADLE_METER_SLOTS_OFFSET + FIRST_SLOTS * sizeof(ladle_meter_slot);
    struct rlimit limit;
    int failed = 0;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < LADLE_METER_FILE_NBYTES)
        failed = EFBIG;
    if (failed == 0 && ftruncate(fd, (off_t)LADLE_METER_FILE_NBYTES) != 0)
        failed = errno;
    if (failed == 0)
        failed = make_space(fd, 0, first);
    char *mapping = MAP_FAILED;
    if (failed == 0) {
        mapping = mmap(NULL, LADLE_METER_FILE_NBYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        failed = mapping == MAP_FAILED ? errno : 0;
    }
    meter_close(fd);
    if (failed != 0) {
        (void)unlink(path);
        return failed;
    }
#ifdef MADV_POPULATE_WRITE
    /* Resident from the start: what grows with the samples would look like the program's growth. */
    (void)madvise(mapping, LADLE_METER_SLOTS_OFFSET, MADV_POPULATE_WRITE);
#endif
    meter_here.header = (ladle_meter_header *)(void *)mapping;
    meter_here.samples = (ladle_sample *)(void *)(mapping + LADLE_METER_SAMPLES_OFFSET);
    meter_here.slots = (ladle_meter_slot *)(void *)(mapping + LADLE_METER_SLOTS_OFFSET);
    (void)snprintf(meter_here.path, sizeof meter_here.path, "%.*s", (int)(strlen(path) - strlen(".meter")), path);
    atomic_store(&slots_ready, FIRST_SLOTS);
    fill_header(meter_here.header, stat);
    return 0;
}

/* --- slots --------------------------------------------------------------------------------------- */

/* Twice the slots. The file is opened anew, and may be out of reach: then there are no more. */
static bool grow(void)
{
    int32_t ready = atomic_load(&slots_ready);
    if (ready >= LADLE_METER_SLOTS || atomic_exchange(&grower, 1) != 0)
        return false;
    char path[sizeof meter_here.path + 8];
    (void)snprintf(path, sizeof path, "%s.meter", meter_here.path);
    int fd = meter_open(path, O_RDWR, 0);
    bool done = fd >= 0 && make_space(fd, LADLE_METER_SLOTS_OFFSET + (uint64_t)ready * sizeof(ladle_meter_slot),
                                      (uint64_t)ready * sizeof(ladle_meter_slot)) == 0;
    if (fd >= 0)
        meter_close(fd);
    if (done)
        atomic_store(&slots_ready, ready * 2);
    atomic_store(&grower, done ? 0 : 1); /* once it failed, it is not tried again */
    return done;
}

static int32_t take_ready(void)
{
    int32_t ready = atomic_load(&slots_ready);
    for (int32_t word = 0; word * 64 < ready; word++) {
        uint64_t bits = atomic_load(&taken[word]) | (word == 0 ? 1 : 0);
        while (bits != UINT64_MAX) {
            int32_t slot = word * 64 + __builtin_ctzll(~bits);
            if (slot >= ready)
                return -1;
            uint64_t expected = bits & ~(uint64_t)(word == 0 ? 1 : 0);
            if (atomic_compare_exchange_weak(&taken[word], &expected, expected | (uint64_t)1 << (slot % 64)))
                return slot;
            bits = expected | (word == 0 ? 1 : 0);
        }
    }
    return -1;
}

ladle_meter_slot *meter_take_slot(void)
{
    int32_t slot = take_ready();
    if (slot < 0 && grow())
        slot = take_ready();
    if (slot < 0)
        return NULL;
    int32_t used = atomic_load(&meter_here.header->slots_used);
    while (used < slot + 1 && !atomic_compare_exchange_weak(&meter_here.header->slots_used, &used, slot + 1)) {
    }
    return &meter_here.slots[slot];
}

/* At the end of a thread, as late as can be: destructors of other keys still allocate. */
static void end_thread(void *rounds)
{
    intptr_t left = (intptr_t)rounds - 1;
    if (left > 0 && pthread_setspecific(thread_end, (void *)left) == 0)
        return;
    meter_thread *self = &meter_self;
    if (self->own == NULL)
        return;
    meter_fold();
    ptrdiff_t slot = self->own - meter_here.slots;
    self->slot = self->own = NULL;
    self->is_gone = true;
    atomic_fetch_and(&taken[slot / 64], ~((uint64_t)1 << (slot % 64)));
}

/* --- beginning ----------------------------------------------------------------------------------- */

/* <folder>[,interval=MS][,probe=0|1][,trim=0|1][,map][,stacks]; false where there is none. */
static bool read_options(meter_options *options)
{
    const char *text = getenv(LADLE_METER_VARIABLE);
    if (text == NULL || *text == '\0')
        return false;
    *options = (meter_options){.interval_ns = 50000000, .probe = true, .trim = true};
    size_t n = strcspn(text, ",");
    char *folder = options->folder;
    size_t used = 0;
    if (text[0] != '/') {
        if (getcwd(folder, sizeof options->folder) == NULL)
            return false;
        used = strlen(folder);
        folder[used++] = '/';
    }
    if (used + n >= sizeof options->folder) {
        meter_say("the folder of %s is longer than %zu bytes", LADLE_METER_VARIABLE, sizeof options->folder - 1);
        return false;
    }
    memcpy(folder + used, text, n);
    folder[used + n] = '\0';
    for (text += n; *text == ','; text += n) {
        text++;
        n = strcspn(text, ",");
        if (strncmp(text, "interval=", 9) == 0) {
            long long ms = strtoll(text + 9, NULL, 10);
            options->interval_ns = (ms < 1 ? 1 : ms > 3600000 ? 3600000 : ms) * 1000000;
        } else if (strncmp(text, "probe=", 6) == 0) {
            options->probe = text[6] != '0';
        } else if (strncmp(text, "trim=", 5) == 0) {
            options->trim = text[5] != '0';
        } else if (n == 3 && strncmp(text, "map", 3) == 0) {
            options->map = true;
        } else if (n == 6 && strncmp(text, "stacks", 6) == 0) {
            options->stacks = true;
        }
    }
    return true;
}

/* What was counted before goes to slot 0. */
static void carry(void)
{
    int64_t live = 0;
    for (int c = 0; c < LADLE_SIZE_CLASSES; c++) {
        ladle_meter_class *from = &before.classes[c], *to = &meter_here.slots[0].classes[c];
        atomic_store(&to->allocated_blocks, atomic_load(&from->allocated_blocks));
        atomic_store(&to->allocated_usable, atomic_load(&from->allocated_usable));
        atomic_store(&to->allocated_requested, atomic_load(&from->allocated_requested));
        atomic_store(&to->freed_blocks, atomic_load(&from->freed_blocks));
        atomic_store(&to->freed_usable, atomic_load(&from->freed_usable));
        live += atomic_load(&from->allocated_usable) - atomic_load(&from->freed_usable);
    }
    meter_self.unfolded = 0;
    atomic_store(&meter_here.header->live, live);
    atomic_store(&meter_here.header->peak, live > 0 ? live : 0);
}

static meter_state begin(bool is_child)
{
    meter_here.pid = getpid();
    if (!is_child && !read_options(&meter_here.options))
        return METER_OFF;
    int failed = open_recording();
    if (failed != 0) {
        /* A program that left the folder's file system, or its user's rights, is not to hear of it. */
        if (failed != ENOENT && failed != ENOTDIR && failed != EACCES && failed != EPERM && failed != EMFILE)
            meter_say("no recording of process %d in %s: %s", (int)meter_here.pid, meter_here.options.folder,
                      strerror(failed));
        return METER_OFF;
    }
    if (!is_child) {
        has_thread_end = pthread_key_create(&thread_end, end_thread) == 0;
        meter_fork_watch();
    }
    carry();
    meter_here.interval_ns = meter_here.options.interval_ns;
    atomic_store(&meter_here.due, meter_here.header->start_ns + meter_here.interval_ns);
    atomic_store(&meter_here.soonest, 0);
    atomic_store(&meter_here.served, 0);
    meter_here.is_slow = meter_here.options.map || meter_here.options.stacks;
    atomic_thread_fence(memory_order_release);
    memcpy(meter_here.header->magic, LADLE_METER_MAGIC, sizeof meter_here.header->magic);
    return METER_ON;
}

void meter_begin(void)
{
    int32_t state = atomic_load(&meter_here.state);
    if (environ == NULL || (state != METER_EARLY && state != METER_FORKED) ||
        !atomic_compare_exchange_strong(&meter_here.state, &state, METER_STARTING))
        return;
    int saved = errno;
    meter_raise();
    int32_t next = (int32_t)begin(state == METER_FORKED);
    atomic_store(&meter_here.state, next);
    meter_lower();
    if (state == METER_FORKED) /* else the constructor takes it, when it knows the allocator */
        meter_sample(LADLE_SAMPLE_START);
    errno = saved;
}

/* --- the slow way -------------------------------------------------------------------------------- */

/* Where to count; NULL: nowhere. */
static ladle_meter_slot *find_slot(bool *is_shared)
{
    meter_thread *self = &meter_self;
    if (self->guard > 0) {
        self->reached = true;
        return NULL;
    }
    int32_t state = atomic_load_explicit(&meter_here.state, memory_order_acquire);
    if (state == METER_EARLY || state == METER_FORKED) {
        meter_begin();
        state = atomic_load(&meter_here.state);
    }
    while (state == METER_STARTING) { /* another thread is about to be done */
        (void)sched_yield();
        state = atomic_load(&meter_here.state);
    }
    *is_shared = true;
    if (state == METER_OFF)
        return NULL;
    if (state != METER_ON)
        return &before;
    if (self->own == NULL && !self->is_gone && has_thread_end) {
        int saved = errno;
        meter_raise();
        ladle_meter_slot *slot = meter_take_slot();
        if (slot != NULL)
            (void)pthread_setspecific(thread_end, (void *)(intptr_t)PTHREAD_DESTRUCTOR_ITERATIONS);
        self->own = slot;
        self->is_gone = slot == NULL;
        meter_lower();
        errno = saved;
    }
    *is_shared = self->own == NULL;
    return self->own != NULL ? self->own : &meter_here.slots[0];
}

static void add(_Atomic int64_t *counter, int64_t value, bool is_shared)
{
    if (is_shared)
        atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
    else
        meter_add(counter, value);
}

void *meter_count_allocation_asking(void *block, size_t requested, bool is_plain)
{
    size_t usable = is_plain && requested > 0 && meter_beneath.size_for != NULL ? meter_beneath.size_for(requested, 0)
                                                                                : meter_beneath.usable_size(block);
    ladle_meter_class *to = &meter_self.slot->classes[ladle_size_class(usable)];
    return meter_store_allocation(to, block, (int64_t)usable, requested);
}

void meter_count_free_asking(void *block)
{
    size_t usable = meter_beneath.usable_size(block);
    if (meter_store_free(&meter_self.slot->classes[ladle_size_class(usable)], (int64_t)usable))
        meter_fold_free();
}

void *meter_fold_allocation(void *block)
{
    meter_fold();
    return block;
}

void *meter_slow_allocation(void *block, size_t requested)
{
    bool is_shared;
    ladle_meter_slot *slot = meter_is_early(block) ? NULL : find_slot(&is_shared);
    if (slot == NULL)
        return block;
    int64_t usable = (int64_t)meter_beneath.usable_size(block);
    ladle_meter_class *to = &slot->classes[ladle_size_class((uint64_t)usable)];
    add(&to->allocated_blocks, 1, is_shared);
    add(&to->allocated_usable, usable, is_shared);
    add(&to->allocated_requested, (int64_t)requested, is_shared);
    meter_self.unfolded += usable;
    if (meter_here.options.map)
        meter_map_allocation(block, usable);
    if (meter_here.options.stacks)
        meter_stacks_allocation(block, usable);
    if (meter_self.unfolded > METER_FOLD_NBYTES ||
        (atomic_load_explicit(&to->allocated_blocks, memory_order_relaxed) & (METER_FOLD_CALLS - 1)) == 0)
        meter_fold();
    return block;
}

void meter_slow_free(void *block)
{
    bool is_shared;
    ladle_meter_slot *slot = find_slot(&is_shared);
    if (slot == NULL)
        return;
    int64_t usable = (int64_t)meter_beneath.usable_size(block);
    ladle_meter_class *to = &slot->classes[ladle_size_class((uint64_t)usable)];
    add(&to->freed_blocks, 1, is_shared);
    add(&to->freed_usable, usable, is_shared);
    meter_self.unfolded -= usable;
    if (meter_here.options.map)
        meter_map_free(block);
    if (meter_here.options.stacks)
        meter_stacks_free(block, usable);
    if (meter_self.unfolded < -METER_FOLD_NBYTES)
        meter_fold_free();
}

static bool is_alone(void)
{
    return &__libc_single_threaded != NULL && __libc_single_threaded != 0;
}

/* What a thread freed it may allocate next: then nothing has to be folded, and a large block that comes and goes costs
 * what a small one does. */
void meter_fold_free(void)
{
    if (atomic_load_explicit(&meter_here.state, memory_order_acquire) != METER_ON)
        return;
    int64_t credit = METER_CREDIT_NBYTES;
    if (!is_alone()) {
        const ladle_meter_header *header = meter_here.header;
        int64_t threads = atomic_load_explicit(&header->slots_used, memory_order_relaxed);
        credit = atomic_load_explicit(&header->live, memory_order_relaxed) / (METER_CREDIT_PART * threads);
    }
    if (meter_self.unfolded < -credit)
        meter_fold();
}

void meter_fold(void)
{
    if (atomic_load_explicit(&meter_here.state, memory_order_acquire) != METER_ON)
        return;
    int64_t unfolded = meter_self.unfolded;
    meter_self.unfolded = 0;
    ladle_meter_header *header = meter_here.header;
    int64_t live = atomic_fetch_add_explicit(&header->live, unfolded, memory_order_relaxed) + unfolded;
    int64_t peak = atomic_load_explicit(&header->peak, memory_order_relaxed);
    while (live > peak && !atomic_compare_exchange_weak_explicit(&header->peak, &peak, live, memory_order_relaxed,
                                                                 memory_order_relaxed)) {
    }
    meter_tick();
}

/* --- fork ---------------------------------------------------------------------------------------- */

/* Into `before`: what is live now. */
static void total_live(void)
{
    static ladle_sample total; /* `before_is_taken` guards it */
    int64_t requested[LADLE_SIZE_CLASSES];
    int32_t used = atomic_load(&meter_here.header->slots_used);
    ladle_meter_total(meter_here.slots, used, &total);
    for (int c = 0; c < LADLE_SIZE_CLASSES; c++) {
        int64_t asked = 0, usable = 0;
        for (int32_t s = 0; s < used; s++) {
            asked += atomic_load_explicit(&meter_here.slots[s].classes[c].allocated_requested, memory_order_relaxed);
            usable += atomic_load_explicit(&meter_here.slots[s].classes[c].allocated_usable, memory_order_relaxed);
        }
        requested[c] = usable > 0 ? (int64_t)((double)total.class_nbytes[c] * ((double)asked / (double)usable)) : 0;
        ladle_meter_class *to = &before.classes[c];
        atomic_store(&to->allocated_blocks, total.class_blocks[c]);
        atomic_store(&to->allocated_usable, total.class_nbytes[c]);
        atomic_store(&to->allocated_requested, requested[c]);
        atomic_store(&to->freed_blocks, 0);
        atomic_store(&to->freed_usable, 0);
    }
}

/* The total is taken in the parent: in the child the shared counters go on while it would add them up. When two
 * threads fork at once, the second child takes the first one's total. */
void meter_before_fork(void)
{
    if (atomic_load(&meter_here.state) == METER_ON && atomic_exchange(&before_is_taken, 1) == 0)
        total_live();
    if (meter_here.is_slow)
        meter_blocks_hold();
}

void meter_after_fork(void)
{
    if (meter_here.is_slow)
        meter_blocks_let_go();
    atomic_store(&before_is_taken, 0);
}

/* No more than a fresh start of the state: the child of a process with threads may do little. Its recording is begun
 * when it first allocates; until then, or until it execs, none is needed. */
void meter_in_child(void)
{
    meter_after_fork();
    int32_t state = atomic_load(&meter_here.state);
    meter_self.slot = meter_self.own = NULL;
    meter_self.is_gone = false;
    meter_self.unfolded = 0;
    if (state != METER_ON && state != METER_STARTING)
        return;
    if (meter_here.header != NULL)
        (void)munmap(meter_here.header, LADLE_METER_FILE_NBYTES);
    meter_here.header = NULL;
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        atomic_store(&taken[i], 0);
    atomic_store(&grower, 0);
    atomic_store(&meter_here.sampler, 0);
    meter_map_restart();
    meter_stacks_restart();
    atomic_store(&meter_here.state, state == METER_ON ? METER_FORKED : METER_OFF);
}
