/* The stacks of what stays allocated, by sampling: on average one allocation in so many bytes is looked at, and stands
 * for as many bytes as come between two of them. Live ones are in a table; a filter before it makes most frees cheap.
 */
#include "doctor/meter/beside.h"
#include "doctor/meter/blocks.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum {
    EVERY_NBYTES = 512 * 1024,
    FRAMES = 32, /* of a stack, and as many of Python's */
    OWN_FRAMES = 8,
    MOST_STACKS = 16384, /* a power of two */
    HISTORY = 32,
    SHOWN = 100,
    COST_FACTOR = 20,
    FILTER = 65536
};
#define WRITE_NS ((int64_t)1000000000)

typedef struct stack {
    uint64_t hash; /* 0: free */
    int32_t count;
    uintptr_t frames[2 * FRAMES];
    int64_t nbytes, blocks; /* estimates of what is live */
    int64_t history[HISTORY];
} stack;

static int (*walk)(void **frames, int size); /* backtrace */
static stack *stacks;                        /* MOST_STACKS, by hash */
static int32_t stack_count;
static meter_lock lock;                /* of the stacks */
static _Atomic uint8_t filter[FILTER]; /* live samples by hash of address; 255: some */

static int64_t history_times[HISTORY], history_count, history_every = 1, history_skipped;
static int64_t soonest;

/* The linker knows where this library is; the frames in it are not the program's. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

bool meter_stacks_find(void)
{
    void *symbol = dlsym(RTLD_DEFAULT, "backtrace"), *frames[4];
    memcpy(&walk, &symbol, sizeof symbol);
    if (walk == NULL)
        return false;
    (void)walk(frames, 4); /* the first call loads the unwinder */
    meter_symbols_find();
    stacks = meter_map_memory(MOST_STACKS * sizeof(stack));
    return stacks != NULL;
}

void meter_stacks_restart(void)
{
    lock.taken = 0;
    soonest = 0;
    history_count = history_skipped = 0;
    history_every = 1;
}

/* --- sampling ------------------------------------------------------------------------------------ */

static uint64_t next_random(void)
{
    static _Thread_local uint64_t state __attribute__((tls_model("initial-exec")));
    if (state == 0)
        state = (uint64_t)meter_now() ^ (uintptr_t)&state;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Exponentially distributed, of mean EVERY_NBYTES: -log2 of a uniform number by its bits, within 6 %. */
static int64_t next_distance(void)
{
    uint64_t r = next_random() | 1;
    int zeros = __builtin_clzll(r);
    uint64_t mantissa = zeros == 63 ? 0 : r << (zeros + 1) >> 32; /* of 2^32 */
    double log2 = (double)zeros + 1 - (double)mantissa / 4294967296.0;
    return (int64_t)(log2 * 0.6931 * EVERY_NBYTES) + 1;
}

/* Bytes that a sampled block stands for: its own, over the probability that it is sampled, 1 - exp(-n / mean). */
static int64_t weight_of(int64_t nbytes)
{
    double x = (double)nbytes / EVERY_NBYTES;
    if (x > 16)
        return nbytes;
    double e = 1 / (1 + x / 1024);
    for (int i = 0; i < 10; i++)
        e *= e;
    return x < 1e-6 ? EVERY_NBYTES : (int64_t)((double)nbytes / (1 - e));
}

static uint32_t filter_of(const void *block)
{
    uint64_t h = (uint64_t)((uintptr_t)block >> 4) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 48);
}

/* With the lock. -1: no place left. */
static int32_t find_stack(const uintptr_t *frames, int32_t count)
{
    uint64_t hash = 1469598103934665603u;
    for (int32_t i = 0; i < count; i++)
        hash = (hash ^ frames[i]) * 0x9e3779b97f4a7c15u ^ hash >> 31;
    hash |= 1;
    uint32_t at = (uint32_t)(hash >> 20) & (MOST_STACKS - 1);
    while (stacks[at].hash != 0) {
        if (stacks[at].hash == hash && stacks[at].count == count &&
            memcmp(stacks[at].frames, frames, (size_t)count * sizeof *frames) == 0)
            return (int32_t)at;
        at = (at + 1) & (MOST_STACKS - 1);
    }
    if (stack_count >= MOST_STACKS / 4 * 3)
        return -1;
    stack_count++;
    stacks[at].hash = hash;
    stacks[at].count = count;
    memcpy(stacks[at].frames, frames, (size_t)count * sizeof *frames);
    return (int32_t)at;
}

static void sample(const void *block, int64_t usable)
{
    void *all[FRAMES + OWN_FRAMES];
    uintptr_t frames[2 * FRAMES];
    int32_t count = 0;
    int n = walk(all, FRAMES + OWN_FRAMES);
    for (int i = 0; i < n && count < FRAMES; i++)
        if ((uintptr_t)all[i] < (uintptr_t)__ehdr_start || (uintptr_t)all[i] >= (uintptr_t)_end)
            frames[count++] = (uintptr_t)all[i];
    count += meter_python_frames(frames + count, FRAMES);
    int64_t weight = weight_of(usable);
    meter_lock_take(&lock);
    int32_t at = find_stack(frames, count);
    if (at >= 0) {
        stacks[at].nbytes += weight;
        stacks[at].blocks += weight / (usable > 0 ? usable : 1);
    }
    meter_lock_leave(&lock);
    if (at < 0)
        return;
    _Atomic uint8_t *live = &filter[filter_of(block)];
    uint8_t old = atomic_load_explicit(live, memory_order_relaxed);
    while (old != 255 && !atomic_compare_exchange_weak(live, &old, (uint8_t)(old + 1))) {
    }
    meter_blocks_put(METER_TABLE_STACKS, block, (uint64_t)at << 48 | (uint64_t)weight);
}

void meter_stacks_allocation(const void *block, int64_t usable)
{
    if (stacks == NULL)
        return;
    int64_t left = meter_self.until_stack;
    if (left == 0)
        left = next_distance();
    left -= usable;
    if (left <= 0) {
        meter_raise();
        sample(block, usable);
        meter_lower();
        left = next_distance();
    }
    meter_self.until_stack = left;
}

void meter_stacks_free(const void *block, int64_t usable)
{
    _Atomic uint8_t *live = &filter[filter_of(block)];
    uint64_t value;
    uint8_t old = atomic_load_explicit(live, memory_order_relaxed);
    if (stacks == NULL || old == 0 || !meter_blocks_take(METER_TABLE_STACKS, block, &value))
        return;
    while (old != 255 && old != 0 && !atomic_compare_exchange_weak(live, &old, (uint8_t)(old - 1))) {
    }
    int64_t weight = (int64_t)(value & 0xffffffffffff);
    meter_lock_take(&lock);
    stacks[value >> 48].nbytes -= weight;
    stacks[value >> 48].blocks -= weight / (usable > 0 ? usable : 1);
    meter_lock_leave(&lock);
}

/* --- what came of it ------------------------------------------------------------------------------ */

/* One more point of each stack's history; when there are too many, every second one goes. */
static void note_history(int64_t time_ns)
{
    if (++history_skipped < history_every)
        return;
    history_skipped = 0;
    if (history_count == HISTORY) {
        for (int64_t h = 0; h < HISTORY / 2; h++)
            history_times[h] = history_times[h * 2 + 1];
        for (int32_t i = 0; i < MOST_STACKS; i++)
            for (int64_t h = 0; h < HISTORY / 2 && stacks[i].hash != 0; h++)
                stacks[i].history[h] = stacks[i].history[h * 2 + 1];
        history_count = HISTORY / 2;
        history_every *= 2;
    }
    history_times[history_count] = time_ns;
    for (int32_t i = 0; i < MOST_STACKS; i++)
        if (stacks[i].hash != 0)
            stacks[i].history[history_count] = stacks[i].nbytes;
    history_count++;
}

/* The last point before half of the time; -1: none. */
static int64_t find_middle(int64_t time_ns)
{
    int64_t middle = -1;
    for (int64_t h = 0; h < history_count && history_times[h] <= time_ns / 2; h++)
        middle = h;
    return middle;
}

/* Of a Python program the frames from the interpreter's loop on give way to Python's own. */
static void write_stack(meter_text *text, const stack *s, int64_t middle, bool is_end)
{
    static char names[2 * FRAMES][256]; /* the sampler's alone */
    int32_t count = 0;
    bool has_python = s->count > 0 && (s->frames[s->count - 1] & METER_PYTHON_FRAME) != 0, is_inside = true;
    for (int32_t f = 0; f < s->count; f++) {
        bool is_python = (s->frames[f] & METER_PYTHON_FRAME) != 0;
        if (!is_python && !is_inside)
            continue;
        if (is_python)
            (void)snprintf(names[count], sizeof names[count], "%s", meter_python_frame(s->frames[f]));
        else
            meter_symbol_of(s->frames[f], is_end, names[count], sizeof names[count]);
        is_inside &= is_python || !has_python || strncmp(names[count], "_PyEval_Eval", 12) != 0;
        count += is_python || is_inside;
    }
    meter_text_print(text, "stack %lld %lld %lld %d\n", (long long)s->nbytes, (long long)s->blocks,
                     (long long)(s->nbytes - (middle < 0 ? 0 : s->history[middle])), (int)count);
    for (int32_t f = 0; f < count; f++)
        meter_text_print(text, "%s\n", names[f]);
}

/* Those with the most live bytes, one after the other: there are not many. Without the lock: a name takes its time,
 * and numbers that move on meanwhile do no harm. */
static void write_stacks(int64_t time_ns, bool is_end)
{
    static meter_text text; /* the sampler's alone */
    static uint8_t is_written[MOST_STACKS];
    int64_t middle = find_middle(time_ns);
    if (!meter_text_begin(&text, ".stacks"))
        return;
    memset(is_written, 0, sizeof is_written);
    meter_text_print(&text, "ladle stacks 1 %lld %lld %d\n", (long long)time_ns,
                     (long long)(middle < 0 ? 0 : history_times[middle]), EVERY_NBYTES);
    for (int n = 0; n < SHOWN; n++) {
        int32_t most = -1;
        for (int32_t i = 0; i < MOST_STACKS; i++)
            if (stacks[i].nbytes > 0 && !is_written[i] && (most < 0 || stacks[i].nbytes > stacks[most].nbytes))
                most = i;
        if (most < 0)
            break;
        is_written[most] = 1;
        write_stack(&text, &stacks[most], middle, is_end);
    }
    meter_text_print(&text, "end\n");
    meter_text_end(&text);
}

void meter_stacks_tick(const ladle_sample *from)
{
    if (stacks == NULL || from->kind == LADLE_SAMPLE_AFTER_TRIM)
        return;
    int64_t start = meter_now();
    bool is_end = from->kind == LADLE_SAMPLE_END || from->kind == LADLE_SAMPLE_BEFORE_COLLECT;
    if (!is_end)
        note_history(from->time_ns);
    /* What is live before a Python program takes itself apart is the interesting end. */
    static bool is_told;
    if ((!is_end && start < soonest) || (from->kind == LADLE_SAMPLE_END && is_told) || (!is_end && is_told))
        return;
    is_told = from->kind == LADLE_SAMPLE_BEFORE_COLLECT;
    write_stacks(from->time_ns, is_end);
    int64_t end = meter_now(), rest = COST_FACTOR * (end - start);
    soonest = end + (rest > WRITE_NS ? rest : WRITE_NS);
}
