/* ladle/doctor.h: is it a leak, or is it fragmentation? Samples of a process's memory, what they split into, and the
 * verdict.
 *
 * A sample is what was known of one process at one time: the kernel's figures, the allocator's, and the meter's
 * counters of every malloc and free. `ladle_doctor_split` says where the resident bytes of one sample are.
 * `ladle_doctor_judge` looks at all samples of a process and names the cause of its growth, with evidence and cure.
 * Both are pure functions. Recordings are what the preloaded meter leaves, one file for each process image.
 */
#ifndef LADLE_DOCTOR_H
#define LADLE_DOCTOR_H

#include <ladle/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- samples --------------------------------------------------------------------------------- */

/* Blocks are told apart by usable size: class 0 has up to 16 bytes, then 4 classes for each doubling; the last one
 * has what is larger. */
#define LADLE_SIZE_CLASSES 128

/* Largest usable size of a class, in bytes; INT64_MAX for the last. */
LADLE_API int64_t ladle_size_class_limit(int size_class);

typedef enum ladle_sample_kind {
    LADLE_SAMPLE_START = 0,      /* by the process, before main */
    LADLE_SAMPLE_INSIDE,         /* by the process, while it allocates */
    LADLE_SAMPLE_OUTSIDE,        /* by an observer: the allocator's figures are those of the last inside sample */
    LADLE_SAMPLE_BEFORE_COLLECT, /* by the process: Python's program is done, before the probe for garbage */
    LADLE_SAMPLE_AFTER_COLLECT,  /* by the process: after Python's collector ran once */
    LADLE_SAMPLE_END,            /* by the process, after main */
    LADLE_SAMPLE_AFTER_TRIM      /* by the process: after the allocator was asked to return what it can */
} ladle_sample_kind;

/* Bytes, counts and nanoseconds; -1 where it is not known. */
typedef struct ladle_sample {
    int32_t kind;    /* a ladle_sample_kind */
    int32_t threads; /* of the process */
    int64_t time_ns; /* since the process started to be metered */
    /* the kernel */
    int64_t rss, anonymous, file, shared; /* resident: all, backed by no file, by a file, shared memory */
    int64_t minor_faults, major_faults;
    /* the meter */
    int64_t live_requested; /* bytes that the program asked for and did not free; by class a close estimate */
    int64_t live_usable;    /* the same, as rounded up by the allocator */
    int64_t live_blocks;
    /* Highest live_usable so far, within 64 KiB for each thread; of several threads up to 1/64 and 1 MiB too high. */
    int64_t peak_live;
    int64_t allocations, frees;
    int64_t allocated; /* bytes, usable, since the start: the rate */
    /* the allocator */
    int64_t heap;            /* address space that it holds for blocks, free or not */
    int64_t heap_free;       /* of it, what it calls free */
    int64_t heap_returnable; /* of that, resident in whole free pages: what a trim would give back; an estimate */
    int64_t heap_arenas;
    int64_t heap_largest_holes; /* of heap_free, in the largest free stretch of each arena */
    /* Python */
    int64_t python_arenas; /* bytes in arenas of its object allocator */
    /* by size class: usable bytes and blocks that are live */
    int64_t class_nbytes[LADLE_SIZE_CLASSES];
    int64_t class_blocks[LADLE_SIZE_CLASSES];
} ladle_sample;

/* --- where the resident bytes are ------------------------------------------------------------ */

typedef enum ladle_share {
    LADLE_SHARE_LIVE = 0,   /* the program asked for it and has not freed it */
    LADLE_SHARE_GARBAGE,    /* of that: Python's garbage cycles; known once the probe ran */
    LADLE_SHARE_ROUNDING,   /* lost to rounding up and headers (internal fragmentation) */
    LADLE_SHARE_RETURNABLE, /* free, held by the allocator, whole pages */
    LADLE_SHARE_PINNED, /* free, held by the allocator, in pages that have live neighbours (external fragmentation) */
    LADLE_SHARE_PYTHON, /* arenas of Python's object allocator, used or not */
    LADLE_SHARE_FILE,   /* pages of files: program code, libraries, mapped files */
    LADLE_SHARE_REST,   /* stacks, static data, shared memory, mappings that the program made itself */
    LADLE_SHARE_COUNT
} ladle_share;

/* "live", "garbage cycles", "rounding", "free, returnable", "free, pinned", "Python arenas", "file pages", "rest".
 * Borrows: static. */
LADLE_API const char *ladle_share_name(ladle_share share);

/* Bytes by share. They are not negative and add up to the sample's rss. */
typedef struct ladle_split {
    int64_t nbytes[LADLE_SHARE_COUNT];
} ladle_split;

/* `garbage` is what the probe found, 0 where there was none. */
LADLE_API void ladle_doctor_split(const ladle_sample *sample, int64_t garbage, ladle_split *split);

/* --- the verdict ----------------------------------------------------------------------------- */

typedef enum ladle_verdict_kind {
    LADLE_VERDICT_NOT_ENOUGH = 0, /* "not enough evidence" */
    LADLE_VERDICT_LEAK,           /* "leak": what is live grows without bound */
    LADLE_VERDICT_FRAGMENTATION,  /* "fragmentation": the heap is larger than the largest need ever was, or
                                   * much of it is free for long, in many holes between live blocks */
    LADLE_VERDICT_RETENTION,      /* "retention": the heap is as large as the largest need was, and stays */
    LADLE_VERDICT_GARBAGE,        /* "garbage cycles" */
    LADLE_VERDICT_LEVELS_OFF,     /* "levels off": warm-up, or a cache that fills */
    LADLE_VERDICT_FILE_PAGES,     /* "file pages" */
    LADLE_VERDICT_NO_GROWTH,      /* "no growth" */
    LADLE_VERDICT_COUNT
} ladle_verdict_kind;

/* As in the quotes above. Borrows: static. */
LADLE_API const char *ladle_verdict_name(ladle_verdict_kind kind);

typedef struct ladle_verdict {
    ladle_verdict_kind kind;
    char sentence[512];          /* the cause and its evidence, with figures */
    char cure[384];              /* what to do about it; "" where nothing is to be done */
    int64_t peak_rss, final_rss; /* bytes; before any probe at the end */
    int64_t peak_index;          /* of the sample with the highest rss */
    int64_t garbage;             /* bytes that the probe found, -1: not probed */
    int64_t trimmed;             /* bytes of rss that the allocator returned when asked at the end, -1: not asked */
    double leak_rate;            /* bytes a second by which what is live grows, where that is the verdict */
    int64_t class_growth[LADLE_SIZE_CLASSES]; /* by size class: growth of what is live, from the middle to the end;
                                               * of a leak below noise, in the classes that have it */
} ladle_verdict;

/* `samples` in order of time, all of one process. Never fails: what cannot be told is "not enough evidence". */
LADLE_API void ladle_doctor_judge(const ladle_sample *samples, int64_t count, ladle_verdict *verdict);

/* --- this process, without a meter ----------------------------------------------------------- */

/* The allocator that serves malloc: "glibc", "mimalloc", "jemalloc", "tcmalloc", or "unknown". Borrows: static. */
LADLE_API const char *ladle_allocator_name(void);

/* Asks it to return its free pages to the system. False where there is no way to ask. */
LADLE_API bool ladle_allocator_trim(void);

/* A thread that takes a sample of this process at intervals. What is live is the allocator's own figure, so rounding
 * and size classes are not known; glibc, jemalloc and tcmalloc have one. Internally locked. A child of fork() has no
 * thread: it must leave the watch alone. */
typedef struct ladle_watch ladle_watch;

/* A watch keeps so many samples. When they are full every second one is dropped, and the interval doubled. */
#define LADLE_WATCH_SAMPLES 520
#define LADLE_WATCH_INTERVAL_LEAST_NS 1000000

/* Starts with a sample. `python_arenas` NULL: not known. It is called on the watch's thread, and must not wait.
 * Returns owned; retains the context. Fails with INVALID, NOMEM, BUDGET or IO. */
LADLE_API ladle_watch *ladle_watch_create(ladle_context *context, int64_t interval_ns, int64_t (*python_arenas)(void),
                                          ladle_error *error);

/* Takes one now, also after the stop. */
LADLE_API void ladle_watch_sample(ladle_watch *watch, ladle_sample_kind kind);

/* Ends the thread, and with it the samples at intervals. Twice is allowed. */
LADLE_API void ladle_watch_stop(ladle_watch *watch);

/* Copies the samples, at most LADLE_WATCH_SAMPLES, and the total of the context's ledger with each; NULL: not that.
 * Returns how many. */
LADLE_API int64_t ladle_watch_read(ladle_watch *watch, ladle_sample *samples, int64_t *ledger);

LADLE_API void ladle_watch_release(ladle_watch *watch);

/* Keeps the allocator from holding free memory. A thread looks at intervals how much of it the allocator could return,
 * and lets it when that is much. In glibc blocks of 128 KiB and more also get mappings of their own, which their end
 * returns at once: by itself it does so only until the first larger one was freed, and no more than up to 32 MiB.
 * Internally locked; at most one in a process. A child of fork() has no thread: it must leave the tamer alone. */
typedef struct ladle_tamer ladle_tamer;

typedef struct ladle_tame_options {
    int64_t interval_ns;
    int64_t least_nbytes; /* what is free in whole pages and no more than this may stay */
    double share;         /* of what is in use: as above */
} ladle_tame_options;

typedef struct ladle_tame_figures {
    int64_t trims;       /* how often it was asked to return */
    int64_t returned;    /* bytes in all */
    int64_t cpu_ns;      /* of the thread */
    bool sets_threshold; /* large blocks have mappings of their own */
} ladle_tame_figures;

LADLE_API ladle_tamer *ladle_tamer_create(ladle_context *context, const ladle_tame_options *options,
                                          ladle_error *error);
LADLE_API void ladle_tamer_read(ladle_tamer *tamer, ladle_tame_figures *figures);

/* Ends the thread; what was counted stays. glibc's limit for mappings goes to 32 MiB, where its growth by itself ends:
 * what it was cannot be asked, and that growth not be switched on again. Twice is allowed. */
LADLE_API void ladle_tamer_stop(ladle_tamer *tamer);
LADLE_API void ladle_tamer_release(ladle_tamer *tamer);

/* --- recordings ------------------------------------------------------------------------------ */

typedef enum ladle_recording_end {
    LADLE_RECORDING_RUNS = 0, /* or was killed: an observer knows better */
    LADLE_RECORDING_EXITED,   /* the process came to its end */
    LADLE_RECORDING_REPLACED  /* by exec */
} ladle_recording_end;

typedef struct ladle_recording ladle_recording;

/* Opens what the meter of one process wrote, or writes. Returns owned. Fails with NOT_FOUND, IO, CORRUPT (not a
 * recording, or cut), UNSUPPORTED (of another version of the meter). One thread at a time. */
LADLE_API ladle_recording *ladle_recording_open(const char *path, ladle_error *error);
LADLE_API void ladle_recording_release(ladle_recording *recording);

LADLE_API int64_t ladle_recording_pid(const ladle_recording *recording);
LADLE_API int64_t ladle_recording_parent(const ladle_recording *recording);
LADLE_API int64_t ladle_recording_start_ns(const ladle_recording *recording); /* CLOCK_MONOTONIC */
LADLE_API ladle_recording_end ladle_recording_ended(const ladle_recording *recording);
LADLE_API const char *
ladle_recording_command(const ladle_recording *recording); /* arguments, joined by spaces; borrows */
LADLE_API const char *
ladle_recording_allocator(const ladle_recording *recording); /* "glibc", "mimalloc", ...; borrows */

/* Samples that the process took itself so far, in order of time; borrows until the next call or the release. */
LADLE_API const ladle_sample *ladle_recording_samples(ladle_recording *recording, int64_t *count);

/* Takes a sample from outside: the kernel's figures of the process, the counters as they stand, the allocator's
 * figures of the last inside sample; asks the process to take one itself. Fails with NOT_FOUND when it is gone. */
LADLE_API ladle_status ladle_recording_observe(ladle_recording *recording, ladle_sample *sample, ladle_error *error);

/* The counters as they stand, of a process that lives or is gone: what it had when it was killed. All other figures of
 * the sample are -1. */
LADLE_API void ladle_recording_counters(ladle_recording *recording, ladle_sample *sample);

/* --- the map of the heap (`map`) and the stacks of what stays (`stacks`), where the meter was told to keep them -- */

typedef enum ladle_region_kind {
    LADLE_REGION_HEAP = 0, /* the main heap */
    LADLE_REGION_ARENA,    /* another arena of the allocator */
    LADLE_REGION_MAPPED    /* mappings that large blocks have for themselves */
} ladle_region_kind;

typedef struct ladle_heap_region {
    uint64_t start; /* address */
    int64_t nbytes;
    int32_t kind; /* a ladle_region_kind */
    /* A character for each page, ended by 0: '.' not resident, '0' resident without a live byte, '1' to '9' used in
     * tenths, rounded up, 'X' full. */
    const char *pages;
} ladle_heap_region;

typedef struct ladle_heap_map {
    int64_t time_ns; /* as a sample's: near the peak of resident or live bytes */
    int64_t page_nbytes;
    int64_t region_count;
    ladle_heap_region *regions; /* by address */
} ladle_heap_map;

/* "heap", "arena", "mapped". Borrows: static. */
LADLE_API const char *ladle_region_kind_name(int32_t kind);

/* Returns owned. Fails with NOT_FOUND where there is none (yet), IO, CORRUPT, NOMEM. */
LADLE_API ladle_heap_map *ladle_recording_map(const ladle_recording *recording, ladle_error *error);
LADLE_API void ladle_heap_map_release(ladle_heap_map *map);

/* Estimates: one allocation in so many bytes is looked at, and stands for its neighbours. */
typedef struct ladle_stack {
    int64_t nbytes, blocks; /* that are live */
    int64_t growth;         /* bytes: of these, more than there were in the middle of the run */
    int64_t frame_count;
    const char *const *frames; /* innermost first: "function (library)" */
} ladle_stack;

typedef struct ladle_stacks {
    int64_t time_ns;      /* as a sample's */
    int64_t middle_ns;    /* what growth is counted from */
    int64_t every_nbytes; /* one allocation in so many bytes was looked at */
    int64_t count;
    ladle_stack *stacks; /* most live bytes first */
} ladle_stacks;

/* Returns owned. Fails with NOT_FOUND where there are none (yet), IO, CORRUPT, NOMEM. */
LADLE_API ladle_stacks *ladle_recording_stacks(const ladle_recording *recording, ladle_error *error);
LADLE_API void ladle_stacks_release(ladle_stacks *stacks);

#ifdef __cplusplus
}
#endif
#endif
