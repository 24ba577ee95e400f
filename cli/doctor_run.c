/* One run of the command: one loop waits for its end, its streams, signals and the clock. */
#include "doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Looks are closer together at first, so that a program of a tenth of a second is seen. */
#define FIRST_LOOKS_NS (10 * DOCTOR_MILLISECOND)
#define FIRST_LOOKS_UNTIL_NS (500 * DOCTOR_MILLISECOND)
/* Looking may take a 20th of one processor's time: a tree of a thousand processes is looked at more seldom. */
#define LOOK_SHARE 20
/* How long the output of a command that has ended is waited for, where a process it left behind holds the pipe. */
#define DRAIN_NS (500 * DOCTOR_MILLISECOND)
#define BLOCK_NBYTES 65536

int64_t doctor_now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 * DOCTOR_MILLISECOND + now.tv_nsec;
}

/* What this process used of a processor. */
static int64_t processor_ns(void)
{
    struct timespec used = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000 * DOCTOR_MILLISECOND + used.tv_nsec;
}

/* --- streams --------------------------------------------------------------------------------- */

/* The hash of a block is over the hash before it and its bytes: so all of the stream counts, and a block at most is
 * held. */
static void hash_block(doctor_stream *stream)
{
    memcpy(stream->block, &stream->hash, sizeof stream->hash);
    stream->hash = ladle_xxh3_64(stream->block, stream->block_used);
    stream->block_used = sizeof stream->hash;
}

static void keep_tail(doctor_stream *stream, const char *data, size_t nbytes)
{
    if (nbytes > DOCTOR_TAIL_NBYTES) {
        data += nbytes - DOCTOR_TAIL_NBYTES;
        nbytes = DOCTOR_TAIL_NBYTES;
    }
    size_t room = DOCTOR_TAIL_NBYTES - stream->tail_used;
    if (nbytes > room) {
        size_t dropped = nbytes - room;
        memmove(stream->tail, stream->tail + dropped, stream->tail_used - dropped);
        stream->tail_used -= dropped;
    }
    memcpy(stream->tail + stream->tail_used, data, nbytes);
    stream->tail_used += nbytes;
    stream->tail[stream->tail_used] = '\0';
}

static void stream_close(doctor_stream *stream)
{
    if (stream->descriptor >= 0) {
        close(stream->descriptor);
        stream->descriptor = -1;
        if (stream->block != NULL) {
            hash_block(stream);
        }
    }
}

/* Reads what is there. */
static void stream_read(doctor_stream *stream)
{
    if (stream->descriptor < 0) {
        return;
    }
    if (stream->block == NULL) {
        stream->block = malloc(BLOCK_NBYTES);
        stream->block_used = sizeof stream->hash;
    }
    while (stream->descriptor >= 0 && stream->block != NULL) {
        ssize_t got = read(stream->descriptor, stream->block + stream->block_used, BLOCK_NBYTES - stream->block_used);
        if (got > 0) {
            keep_tail(stream, stream->block + stream->block_used, (size_t)got);
            stream->nbytes += got;
            stream->block_used += (size_t)got;
            if (stream->block_used == BLOCK_NBYTES) {
                hash_block(stream);
            }
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            stream_close(stream);
        } else if (errno == EAGAIN) {
            return;
        }
    }
    if (stream->block == NULL) {
        stream_close(stream);
    }
}

/* --- signals --------------------------------------------------------------------------------- */

/* The terminal sends its signals to all processes in front of it: the command has them already. Others are passed on.
 */
static void take_signals(doctor_run *run, doctor_signals *signals)
{
    struct signalfd_siginfo taken;
    while (read(signals->descriptor, &taken, sizeof taken) == (ssize_t)sizeof taken) {
        int number = (int)taken.ssi_signo;
        if (number == SIGCHLD) {
            continue;
        }
        signals->told_to_stop = true;
        if (taken.ssi_code != SI_KERNEL && !run->ended) {
            kill(run->pid, number);
        }
    }
}

static void reap(doctor_run *run, const doctor_call *call)
{
    for (;;) {
        siginfo_t ended = {0};
        struct rusage usage;
        int wait_status;
        /* First only asked for, so that the recording is found while the pid cannot be another's. */
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) {
            return;
        }
        if (ended.si_pid == run->pid) {
            run->end_ns = doctor_now_ns();
        }
        if (wait4(ended.si_pid, &wait_status, WNOHANG, &usage) != ended.si_pid) {
            return;
        }
        doctor_watch_reaped(run, call, ended.si_pid, wait_status);
        if (ended.si_pid == run->pid) {
            struct rusage own;
            run->ended = true;
            run->status = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
            /* Before exec the command was a copy of this process, which counts: what is lower tells nothing. */
            if (getrusage(RUSAGE_SELF, &own) == 0 && usage.ru_maxrss > own.ru_maxrss) {
                run->kernel_peak_rss = (int64_t)usage.ru_maxrss * 1024;
            }
        }
    }
}

/* --- the loop -------------------------------------------------------------------------------- */

/* Waits until `until_ns` at most. */
static void wait_for_event(doctor_run *run, const doctor_call *call, int64_t until_ns)
{
    struct pollfd watched[] = {{.fd = call->signals->descriptor, .events = POLLIN},
                               {.fd = run->output.descriptor, .events = POLLIN},
                               {.fd = run->errors.descriptor, .events = POLLIN}};
    int64_t left = until_ns - doctor_now_ns();
    struct timespec timeout = {0};
    if (left > 0) {
        timeout.tv_sec = (time_t)(left / (1000 * DOCTOR_MILLISECOND));
        timeout.tv_nsec = (long)(left % (1000 * DOCTOR_MILLISECOND));
    }
    if (ppoll(watched, 3, &timeout, NULL) <= 0) {
        return;
    }
    stream_read(&run->output);
    stream_read(&run->errors);
    take_signals(run, call->signals);
    reap(run, call);
}

static void drain(doctor_run *run, const doctor_call *call)
{
    int64_t until_ns = doctor_now_ns() + DRAIN_NS;
    while ((run->output.descriptor >= 0 || run->errors.descriptor >= 0) && doctor_now_ns() < until_ns) {
        wait_for_event(run, call, until_ns);
    }
    stream_close(&run->output);
    stream_close(&run->errors);
}

int doctor_run_command(const doctor_call *call, doctor_run *run)
{
    doctor_tree tree = {0};
    *run = (doctor_run){.pid = -1, .decides = -1, .output = {.descriptor = -1}, .errors = {.descriptor = -1}};
    int status = doctor_spawn(call, run);
    if (status != CLI_OK) {
        if (run->pid > 0) {
            (void)waitpid(run->pid, NULL, 0);
        }
        return status;
    }
    int64_t interval_ns = call->interval_ms * DOCTOR_MILLISECOND, next_ns = run->begin_ns + FIRST_LOOKS_NS / 2;
    bool fits = true;
    while (!run->ended) {
        wait_for_event(run, call, next_ns);
        int64_t now_ns = doctor_now_ns(), used_ns = processor_ns(), rss, live;
        if (run->ended || now_ns < next_ns) {
            continue;
        }
        if (fits && !doctor_watch_look(run, call, &tree, &rss, &live)) {
            fits = false;
            cli_complain("doctor", "out of memory: the command goes on, and is not looked at any more");
        } else if (fits && call->progress != NULL) {
            cli_progress_show(call->progress, "%s: %.1f s, %" PRId64 " processes, RSS %.0f MB, live %.0f MB",
                              call->label, (double)(now_ns - run->begin_ns) * 1e-9, tree.count, (double)rss / 1e6,
                              (double)live / 1e6);
        }
        int64_t cost_ns = processor_ns() - used_ns;
        int64_t pause_ns = now_ns - run->begin_ns < FIRST_LOOKS_UNTIL_NS && interval_ns > FIRST_LOOKS_NS
                               ? FIRST_LOOKS_NS
                               : interval_ns;
        next_ns = now_ns + (pause_ns > cost_ns * LOOK_SHARE ? pause_ns : cost_ns * LOOK_SHARE);
    }
    drain(run, call);
    if (call->progress != NULL) {
        cli_progress_clear(call->progress);
    }
    doctor_tree_release(&tree);
    doctor_watch_finish(run, call);
    return CLI_OK;
}

void doctor_run_release(doctor_run *run)
{
    stream_close(&run->output);
    stream_close(&run->errors);
    free(run->output.block);
    free(run->errors.block);
    for (int64_t i = 0; i < run->count; ++i) {
        doctor_process_release(&run->processes[i]);
    }
    free(run->processes);
    *run = (doctor_run){.pid = -1, .decides = -1, .output = {.descriptor = -1}, .errors = {.descriptor = -1}};
}
