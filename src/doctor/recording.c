/* Reads recordings, of processes that are gone and of those that run. */
#include "doctor/recording.h"
#include "base/error.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Samples are moved seldom and briefly; a process that was killed meanwhile leaves them so. */
enum { TRIES = 200, TRY_NS = 100000 };

struct ladle_recording {
    char *path;
    ladle_meter_header *header; /* the whole file */
    bool may_write;
    ladle_sample *samples; /* copies of those so far */
    char command[sizeof((ladle_meter_header *)0)->command];
    char allocator[sizeof((ladle_meter_header *)0)->allocator];
};

/* --- opening ------------------------------------------------------------------------------------- */

static ladle_status check_header(const ladle_meter_header *header, int64_t file_nbytes, ladle_error *error)
{
    if (memcmp(header->magic, LADLE_METER_MAGIC, sizeof header->magic) != 0)
        return ladle_fail(error, LADLE_CORRUPT, 0, "not a recording of the meter, or one that was just begun");
    if (header->version != LADLE_METER_VERSION)
        return ladle_fail(error, LADLE_UNSUPPORTED, 8,
                          "recording of version %u of the meter, expected %u: use the tool that it came with",
                          header->version, LADLE_METER_VERSION);
    if (header->header_nbytes != sizeof(ladle_meter_header) || header->sample_nbytes != sizeof(ladle_sample) ||
        header->slot_nbytes != sizeof(ladle_meter_slot) || header->samples_offset != LADLE_METER_SAMPLES_OFFSET ||
        header->slots_offset != LADLE_METER_SLOTS_OFFSET)
        return ladle_fail(error, LADLE_UNSUPPORTED, 12,
                          "recording of another build of the meter: samples of %u bytes, expected %zu",
                          header->sample_nbytes, sizeof(ladle_sample));
    if (file_nbytes != (int64_t)LADLE_METER_FILE_NBYTES)
        return ladle_fail(error, LADLE_CORRUPT, file_nbytes, "recording of %" PRId64 " bytes, expected %zu: it was cut",
                          file_nbytes, (size_t)LADLE_METER_FILE_NBYTES);
    return LADLE_OK;
}

/* Maps the file at `fd`; the pages of a sparse file are there as far as it is long. */
static ladle_status map_file(ladle_recording *recording, int fd, ladle_error *error)
{
    struct stat info;
    ladle_meter_header header;
    if (fstat(fd, &info) != 0)
        return ladle_fail_errno(error, errno, LADLE_NO_OFFSET, "fstat failed");
    if (!S_ISREG(info.st_mode))
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "not a regular file, so not a recording of the meter");
    ssize_t got = pread(fd, &header, sizeof header, 0);
    if (got < 0)
        return ladle_fail_errno(error, errno, 0, "cannot read the header");
    if (got < (ssize_t)sizeof header)
        return ladle_fail(error, LADLE_CORRUPT, got, "not a recording of the meter: %zd bytes, the header has %zu", got,
                          sizeof header);
    ladle_status status = check_header(&header, info.st_size, error);
    if (status != LADLE_OK)
        return status;
    int protection = recording->may_write ? PROT_READ | PROT_WRITE : PROT_READ;
    void *mapping = mmap(NULL, LADLE_METER_FILE_NBYTES, protection, MAP_SHARED, fd, 0);
    if (mapping == MAP_FAILED)
        return ladle_fail_errno(error, errno, LADLE_NO_OFFSET, "cannot map the recording");
    recording->header = mapping;
    memcpy(recording->command, header.command, sizeof header.command - 1);
    return LADLE_OK;
}

ladle_recording *ladle_recording_open(const char *path, ladle_error *error)
{
    ladle_recording *recording = calloc(1, sizeof *recording);
    if (recording == NULL || (recording->path = strdup(path)) == NULL) {
        free(recording);
        (void)ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for a recording");
        return NULL;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK); /* not blocking: a pipe is told from a file below */
    recording->may_write = fd >= 0;
    if (fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM))
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ladle_status status = LADLE_OK;
    if (fd < 0)
        status = ladle_fail_errno(error, errno, LADLE_NO_OFFSET, "cannot open the recording");
    else
        status = map_file(recording, fd, error);
    if (fd >= 0)
        (void)close(fd);
    if (status == LADLE_OK)
        return recording;
    ladle_error_where(error, ": ", "%s", path);
    ladle_recording_release(recording);
    return NULL;
}

void ladle_recording_release(ladle_recording *recording)
{
    if (recording == NULL)
        return;
    if (recording->header != NULL)
        (void)munmap(recording->header, LADLE_METER_FILE_NBYTES);
    free(recording->samples);
    free(recording->path);
    free(recording);
}

/* --- what it says -------------------------------------------------------------------------------- */

int64_t ladle_recording_pid(const ladle_recording *recording)
{
    return recording->header->pid;
}

int64_t ladle_recording_parent(const ladle_recording *recording)
{
    return recording->header->parent;
}

int64_t ladle_recording_start_ns(const ladle_recording *recording)
{
    return recording->header->start_ns;
}

ladle_recording_end ladle_recording_ended(const ladle_recording *recording)
{
    int32_t end = atomic_load(&recording->header->end);
    return end == LADLE_RECORDING_EXITED || end == LADLE_RECORDING_REPLACED ? (ladle_recording_end)end
                                                                            : LADLE_RECORDING_RUNS;
}

const char *ladle_recording_path(const ladle_recording *recording)
{
    return recording->path;
}

const char *ladle_recording_command(const ladle_recording *recording)
{
    return recording->command;
}

const char *ladle_recording_allocator(const ladle_recording *recording)
{
    /* It is known a moment after the file is there. */
    ladle_recording *self = (ladle_recording *)(uintptr_t)recording;
    memcpy(self->allocator, recording->header->allocator, sizeof self->allocator - 1);
    return self->allocator;
}

static int64_t sample_count(const ladle_recording *recording)
{
    int64_t count = atomic_load(&recording->header->sample_count);
    return count < 0 ? 0 : count > LADLE_METER_SAMPLES ? LADLE_METER_SAMPLES : count;
}

static const ladle_sample *samples_in(const ladle_recording *recording)
{
    return (const ladle_sample *)(const void *)((const char *)recording->header + LADLE_METER_SAMPLES_OFFSET);
}

static const ladle_meter_slot *slots_in(const ladle_recording *recording)
{
    return (const ladle_meter_slot *)(const void *)((const char *)recording->header + LADLE_METER_SLOTS_OFFSET);
}

/* What a killed process left while it moved its samples is twice there, or out of order. */
static int64_t drop_disorder(ladle_sample *samples, int64_t count)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        bool is_known = samples[i].kind >= LADLE_SAMPLE_START && samples[i].kind <= LADLE_SAMPLE_AFTER_TRIM;
        if (!is_known || (kept > 0 && samples[i].time_ns <= samples[kept - 1].time_ns))
            continue;
        samples[kept++] = samples[i];
    }
    return kept;
}

const ladle_sample *ladle_recording_samples(ladle_recording *recording, int64_t *count)
{
    *count = 0;
    if (recording->samples == NULL)
        recording->samples = malloc(LADLE_METER_SAMPLES * sizeof(ladle_sample));
    if (recording->samples == NULL)
        return NULL;
    for (int i = 0; i < TRIES; i++) {
        int64_t epoch = atomic_load(&recording->header->sample_epoch);
        *count = sample_count(recording);
        memcpy(recording->samples, samples_in(recording), (size_t)*count * sizeof(ladle_sample));
        atomic_thread_fence(memory_order_acquire);
        if (epoch % 2 == 0 && epoch == atomic_load(&recording->header->sample_epoch))
            break;
        (void)nanosleep(&(struct timespec){.tv_nsec = TRY_NS}, NULL);
    }
    *count = drop_disorder(recording->samples, *count);
    return recording->samples;
}

/* --- observing ----------------------------------------------------------------------------------- */

/* /proc/PID/`name` into `text`, ended by 0. False where it cannot be read. */
static bool read_proc(int64_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t n = 0;
    ssize_t got;
    while (n < size - 1 && (got = read(fd, text + n, size - 1 - n)) > 0)
        n += (size_t)got;
    (void)close(fd);
    text[n] = '\0';
    return n > 0;
}

static ladle_status observe_kernel(const ladle_recording *recording, ladle_sample *sample, ladle_error *error)
{
    const ladle_meter_header *header = recording->header;
    char stat[2048], status[8192];
    if (ladle_recording_ended(recording) == LADLE_RECORDING_REPLACED)
        return ladle_fail(error, LADLE_NOT_FOUND, LADLE_NO_OFFSET, "process %" PRId64 " runs another program now",
                          header->pid);
    if (!read_proc(header->pid, "stat", stat, sizeof stat) || !read_proc(header->pid, "status", status, sizeof status))
        return ladle_fail(error, LADLE_NOT_FOUND, LADLE_NO_OFFSET, "process %" PRId64 " is gone", header->pid);
    sample->rss = ladle_proc_nbytes(status, "\nVmRSS:");
    if (sample->rss < 0 || ladle_proc_stat_field(stat, 22) != header->process_start) /* a zombie, or another process */
        return ladle_fail(error, LADLE_NOT_FOUND, LADLE_NO_OFFSET, "process %" PRId64 " is gone", header->pid);
    int64_t image = ladle_proc_stat_field(stat, 48); /* 0 without the right to know */
    if (image > 0 && header->image > 0 && image != header->image)
        return ladle_fail(error, LADLE_NOT_FOUND, LADLE_NO_OFFSET, "process %" PRId64 " runs another program now",
                          header->pid);
    sample->anonymous = ladle_proc_nbytes(status, "\nRssAnon:");
    sample->file = ladle_proc_nbytes(status, "\nRssFile:");
    sample->shared = ladle_proc_nbytes(status, "\nRssShmem:");
    sample->threads = (int32_t)ladle_proc_field(status, "\nThreads:");
    sample->minor_faults = ladle_proc_stat_field(stat, 10);
    sample->major_faults = ladle_proc_stat_field(stat, 12);
    return LADLE_OK;
}

static void total_counters(ladle_recording *recording, ladle_sample *sample)
{
    ladle_meter_header *header = recording->header;
    int32_t used = atomic_load(&header->slots_used);
    used = used < 0 ? 0 : used > LADLE_METER_SLOTS ? LADLE_METER_SLOTS : used;
    ladle_meter_total(slots_in(recording), used, sample);
    int64_t peak = atomic_load(&header->peak);
    sample->peak_live = peak > sample->live_usable ? peak : sample->live_usable;
    sample->python_arenas = atomic_load(&header->python_arenas);
}

void ladle_recording_counters(ladle_recording *recording, ladle_sample *sample)
{
    *sample = (ladle_sample){.kind = LADLE_SAMPLE_OUTSIDE,
                             .threads = -1,
                             .time_ns = -1,
                             .rss = -1,
                             .anonymous = -1,
                             .file = -1,
                             .shared = -1,
                             .minor_faults = -1,
                             .major_faults = -1,
                             .heap = -1,
                             .heap_free = -1,
                             .heap_returnable = -1,
                             .heap_arenas = -1,
                             .heap_largest_holes = -1};
    total_counters(recording, sample);
}

ladle_status ladle_recording_observe(ladle_recording *recording, ladle_sample *sample, ladle_error *error)
{
    ladle_meter_header *header = recording->header;
    memset(sample, 0, sizeof *sample);
    ladle_status status = observe_kernel(recording, sample, error);
    if (status != LADLE_OK) {
        ladle_error_where(error, ": ", "%s", recording->path);
        return status;
    }
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    sample->kind = LADLE_SAMPLE_OUTSIDE;
    sample->time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - header->start_ns;
    total_counters(recording, sample);
    sample->heap = sample->heap_free = sample->heap_returnable = sample->heap_arenas = -1;
    sample->heap_largest_holes = -1;
    int64_t count;
    const ladle_sample *inside = ladle_recording_samples(recording, &count);
    if (count > 0) {
        sample->heap = inside[count - 1].heap;
        sample->heap_free = inside[count - 1].heap_free;
        sample->heap_returnable = inside[count - 1].heap_returnable;
        sample->heap_arenas = inside[count - 1].heap_arenas;
        sample->heap_largest_holes = inside[count - 1].heap_largest_holes;
    }
    if (recording->may_write)
        atomic_fetch_add(&header->wanted, 1);
    return LADLE_OK;
}
