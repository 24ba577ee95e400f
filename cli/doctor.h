/* doctor.h: what the files of `ladle doctor` share.
 *
 *     doctor.c            the verb: the runs in their order, where the report goes, the exit status
 *     doctor_spawn.c      starts the command with the meter and an allocator in front of it
 *     doctor_run.c        one run: waits for signals, streams and the clock; ends when the command does
 *     doctor_process.c    what is known of one process: samples while it lives, a verdict once it is gone
 *     doctor_watch.c      the processes of a run: recordings in the folder, the tree in /proc
 *     doctor_sum.c        what they hold together
 *     doctor_tree.c       /proc
 *     doctor_allocators.c where an allocator's library is, and whether ld.so takes it
 *     doctor_trial.c      the runs under each allocator
 *     doctor_advice.c     which of them serves best
 *     doctor_report.c, doctor_json.c   what is told
 *
 * Bytes, and nanoseconds of CLOCK_MONOTONIC, unless a name says otherwise.
 */
#ifndef LADLE_CLI_DOCTOR_H
#define LADLE_CLI_DOCTOR_H

#include <signal.h>
#include <sys/types.h>

#include <ladle/doctor.h>

#include "cli.h"
#include "progress.h"

#define DOCTOR_MILLISECOND INT64_C(1000000)

int64_t doctor_now_ns(void);

/* --- /proc ----------------------------------------------------------------------------------- */

/* What /proc/PID/status says. -1 where it does not. */
typedef struct doctor_status {
    pid_t pid, parent;
    bool is_zombie;
    int64_t rss, anonymous, file, shared, peak_rss, threads;
} doctor_status;

/* False when the process is gone. */
bool doctor_tree_status(pid_t pid, doctor_status *status);

typedef struct doctor_tree {
    doctor_status *items; /* owned */
    int64_t count, capacity;
} doctor_tree;

/* All descendants of this process. False: no memory. */
bool doctor_tree_list(doctor_tree *tree);
void doctor_tree_release(doctor_tree *tree);

/* Its arguments, joined by spaces. Returns owned; NULL when it is gone. */
char *doctor_tree_command(pid_t pid);

#define DOCTOR_REASON_NBYTES 192

/* Why a process that was started by a metered one is not metered; "" where nothing is found. `meter` is the path that
 * stands in LD_PRELOAD. */
void doctor_tree_reason(pid_t pid, const char *meter, char reason[DOCTOR_REASON_NBYTES]);

/* --- a process ------------------------------------------------------------------------------- */

typedef enum doctor_end_kind {
    DOCTOR_RUNS = 0, /* still */
    DOCTOR_EXITED,
    DOCTOR_KILLED,
    DOCTOR_REPLACED, /* by exec */
    DOCTOR_ENDED     /* its parent knows how */
} doctor_end_kind;

/* A sample, as it is kept once it was split. */
typedef struct doctor_point {
    int64_t time_ns; /* of the clock */
    int32_t kind;    /* a ladle_sample_kind */
    int64_t rss, file;
    ladle_split split;
} doctor_point;

/* An image of a process: exec begins a new one. */
typedef struct doctor_process {
    pid_t pid, parent;
    bool metered;
    bool finished;                     /* no samples any more: verdict, points and what follows are there */
    char reason[DOCTOR_REASON_NBYTES]; /* why it is not metered */
    char *command;                     /* owned; may be NULL */
    char allocator[32];                /* "" where it is not known */
    int64_t start_ns;
    doctor_end_kind end;
    int end_detail;      /* exit status or signal */
    int64_t looks;       /* how often it was seen in /proc */
    int64_t highest_rss; /* as the kernel noted it */
    /* while it lives */
    ladle_recording *recording; /* owned; NULL where it is not metered */
    char *path;                 /* owned; of the recording */
    ladle_sample *outside;      /* owned */
    int64_t outside_count, outside_capacity, outside_stride_ns;
    /* once it is finished */
    doctor_point *points; /* owned */
    int64_t point_count;
    int64_t final_index; /* of the point at the program's end, before any probe */
    ladle_verdict verdict;
    int64_t peak_live, final_live;                                              /* usable; -1: not known */
    int64_t class_nbytes[LADLE_SIZE_CLASSES], class_blocks[LADLE_SIZE_CLASSES]; /* at final_index */
    ladle_heap_map *map;  /* owned; NULL: not asked for, or none was made */
    ladle_stacks *stacks; /* the same */
} doctor_process;

/* Takes a sample of the process as it is now. `status` is what /proc says of it. False: the pid runs another program
 * than the one that was metered. */
bool doctor_process_look(doctor_process *process, const doctor_status *status);

/* Judges what is known, and lets go of samples and recording. `call` says whether a map and stacks were asked for. */
typedef struct doctor_call doctor_call;
void doctor_process_finish(doctor_process *process, const doctor_call *call);
void doctor_process_release(doctor_process *process);

/* "exited 0", "killed by SIGKILL", "replaced by exec", "still running", "ended". */
#define DOCTOR_END_NBYTES 48
void doctor_process_end_text(const doctor_process *process, char text[DOCTOR_END_NBYTES]);

/* "SIGKILL". */
void doctor_signal_name(int number, char text[24]);

/* --- a run of the command -------------------------------------------------------------------- */

typedef enum doctor_streams {
    DOCTOR_PASS = 0,       /* as they are */
    DOCTOR_PASS_TO_STDERR, /* standard output goes to standard error: ours is for the JSON object */
    DOCTOR_COMPARE         /* spooled through pipes and hashed; standard input from its beginning, or empty */
} doctor_streams;

#define DOCTOR_TAIL_NBYTES 2048

/* A stream of the command that is hashed and not kept, but for its end. */
typedef struct doctor_stream {
    int descriptor; /* to read; -1: closed */
    int64_t nbytes;
    uint64_t hash; /* of all, once it is closed */
    char *block;   /* owned; the hash before it, then what is not hashed yet */
    size_t block_used;
    char tail[DOCTOR_TAIL_NBYTES + 1]; /* the last bytes, once it is closed */
    size_t tail_used;
} doctor_stream;

/* Signals that this process waits for rather than dies of. */
typedef struct doctor_signals {
    int descriptor;
    sigset_t before;
    struct sigaction pipe_before;
    bool told_to_stop; /* SIGINT, SIGTERM, SIGHUP or SIGQUIT came */
} doctor_signals;

/* How the command is run. All borrowed. */
struct doctor_call {
    char *const *command;           /* ends with NULL */
    const char *meter;              /* path of the preloaded meter; NULL: without */
    const char *allocator;          /* path of the library; NULL: none */
    const char *const *environment; /* "NAME=VALUE" to set, ends with NULL; NULL: none */
    const char *folder;             /* of the recordings */
    int32_t interval_ms;
    bool probe, map, stacks;
    doctor_streams streams;
    off_t input_offset; /* where standard input began; -1: it cannot be read twice */
    doctor_signals *signals;
    cli_progress *progress;
    const char *label; /* for the progress line */
};

typedef struct doctor_run {
    pid_t pid;
    int status; /* as a shell tells: the exit status, or 128 + signal */
    bool ended;
    int64_t begin_ns, end_ns;
    doctor_process *processes; /* owned; in order of their start */
    int64_t count, capacity;
    int64_t kernel_peak_rss; /* highest that the kernel noted of one process */
    doctor_stream output, errors;
    /* of the tree: at its peak, and when the command ended. -1: not known */
    int64_t peak_rss, final_rss, live, dead;
    int64_t decides; /* index of the process whose verdict is the command's; -1: none */
} doctor_run;

/* Starts the command. Returns an exit status; 127 or 126 where it cannot be started, with the line printed. */
int doctor_spawn(const doctor_call *call, doctor_run *run);

/* A path as LD_PRELOAD can hold it: where it has a blank or a colon, a link to it in the folder. Returns owned. */
char *doctor_preload_path(const char *path, const char *folder, const char *name);

/* Runs the command to its end. Returns CLI_OK (whatever its own status is), or the status for what prevented it, with
 * the line printed. Release in any case. */
int doctor_run_command(const doctor_call *call, doctor_run *run);
void doctor_run_release(doctor_run *run);
static inline double doctor_run_seconds(const doctor_run *run)
{
    return (double)(run->end_ns - run->begin_ns) * 1e-9;
}

/* Looks at the folder and at /proc once. `*rss` and `*live` are the tree's, for the progress line. */
bool doctor_watch_look(doctor_run *run, const doctor_call *call, doctor_tree *tree, int64_t *rss, int64_t *live);
/* A child of this process, the command or an orphan, ended. */
void doctor_watch_reaped(doctor_run *run, const doctor_call *call, pid_t pid, int wait_status);
/* The command ended: what is left in the folder, verdicts, and the figures of the tree. */
void doctor_watch_finish(doctor_run *run, const doctor_call *call);

/* What all processes held together: the figures of the tree. */
void doctor_sum_up(doctor_run *run);

/* Makes a folder for recordings below TMPDIR. Returns owned; NULL with the line printed. */
char *doctor_folder_make(void);
/* Removes it and what is in it; frees the text. */
void doctor_folder_remove(char *folder);

/* --- allocators ------------------------------------------------------------------------------ */

/* How an allocator is put in front of the command. */
typedef struct doctor_allocator {
    char *name;          /* owned */
    char *library;       /* owned; NULL: glibc's own, or not found */
    const char *package; /* Debian's, where it is missing; borrowed */
    char why_not[256];   /* "" where it can be tried */
    bool is_known;       /* the meter knows its name */
    bool is_tuned;       /* glibc with the environment variables that serve best */
} doctor_allocator;

typedef struct doctor_allocators {
    doctor_allocator *items; /* owned; glibc first, what is compared with */
    int64_t count;
} doctor_allocators;

/* Reads "glibc,mimalloc=/path/lib.so" or "all", and looks for the libraries. Returns an exit status; the error line is
 * printed. Release in any case. */
int doctor_allocators_find(doctor_allocators *allocators, const char *list);
void doctor_allocators_release(doctor_allocators *allocators);

/* --- the trial ------------------------------------------------------------------------------- */

typedef struct doctor_range {
    double low, median, high;
} doctor_range;

/* One run. -1 where a figure is not known. */
typedef struct doctor_measured {
    int status;
    bool same_result; /* as the run without the meter: exit status and standard output */
    int64_t output_nbytes;
    uint64_t output_hash;
    double seconds, peak_rss, final_rss, live, dead;
} doctor_measured;

typedef struct doctor_row {
    const doctor_allocator *allocator;
    bool available;                 /* it was tried */
    bool in_force;                  /* the recordings say that the allocator was the one asked for */
    char note[256];                 /* why it was not tried, or what is odd about its runs; "" */
    const char *const *environment; /* "NAME=VALUE", ends with NULL; borrowed: of the best setting; NULL: none */
    doctor_measured *runs;          /* owned */
    int64_t count;
    doctor_range seconds, peak_rss, final_rss, live, dead;
} doctor_row;

typedef struct doctor_trial {
    doctor_row *rows; /* owned */
    int64_t count;
    bool has_plain;
    doctor_measured plain;        /* without the meter */
    bool differs_by_itself;       /* what the command prints differs from run to run: only exit statuses are compared */
    bool stopped;                 /* by a signal: not all runs were made */
    int64_t best;                 /* row that is advised; -1: none */
    char sentence[512];           /* the advice */
    char cost[256], caution[256]; /* of the meter; what else is to be said: "" */
} doctor_trial;

/* Runs the command under each allocator, `repeat` times in turn. `call` is that of the diagnostic run. Returns an exit
 * status; the line is printed. Release in any case. */
int doctor_trial_make(doctor_trial *trial, const doctor_allocators *allocators, const doctor_call *call,
                      int32_t repeat);
void doctor_trial_release(doctor_trial *trial);

/* Ranges of the rows, and the advice: by itself a function of the runs. */
void doctor_trial_advise(doctor_trial *trial);

/* --- what is told ---------------------------------------------------------------------------- */

typedef struct doctor_diagnosis {
    char *const *command;
    const doctor_run *run;
    const doctor_trial *trial; /* NULL: none */
} doctor_diagnosis;

void doctor_report_text(const doctor_diagnosis *diagnosis, cli_output *out);
void doctor_report_json(const doctor_diagnosis *diagnosis, cli_output *out);

/* Of the process that decides; where there is none, of why. */
const char *doctor_verdict_name(const doctor_run *run);
const char *doctor_verdict_sentence(const doctor_run *run);

#endif
