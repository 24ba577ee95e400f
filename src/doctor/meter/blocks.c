/* Tables of live blocks. Open addressing with linear probing, in shards, so that threads seldom meet; what is taken out
 * is closed up, so a table stays as fast as it was. */
#include "doctor/meter/blocks.h"
#include "doctor/meter/meter.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

enum { SHARDS = 64, SHARD_BITS = 6, FIRST_ROOM = 1024 };

typedef struct entry {
    uintptr_t block; /* 0: free */
    uint64_t value;
} entry;

typedef struct shard {
    _Alignas(64) meter_lock lock;
    entry *entries;
    uint64_t room; /* a power of two, or 0 */
    uint64_t count;
} shard;

static shard shards[METER_TABLES][SHARDS];
static _Thread_local bool holds_all __attribute__((tls_model("initial-exec")));

void *meter_map_memory(uint64_t nbytes)
{
    void *memory = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void meter_unmap_memory(void *memory, uint64_t nbytes)
{
    if (memory != NULL)
        (void)munmap(memory, nbytes);
}

void meter_lock_take(meter_lock *lock)
{
    if (holds_all)
        return;
    while (atomic_exchange_explicit(&lock->taken, 1, memory_order_acquire) != 0)
        (void)sched_yield();
}

void meter_lock_leave(meter_lock *lock)
{
    if (!holds_all)
        atomic_store_explicit(&lock->taken, 0, memory_order_release);
}

static uint64_t hash_of(uintptr_t block)
{
    uint64_t h = (uint64_t)(block >> 3) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static shard *shard_of(meter_table_name table, uint64_t hash)
{
    return &shards[table][hash & (SHARDS - 1)];
}

/* Where the block is, or the free place that ends the search. */
static uint64_t place_of(const shard *in, uintptr_t block)
{
    uint64_t at = hash_of(block) >> SHARD_BITS & (in->room - 1);
    while (in->entries[at].block != 0 && in->entries[at].block != block)
        at = (at + 1) & (in->room - 1);
    return at;
}

static bool grow(shard *in)
{
    shard larger = {.room = in->room == 0 ? FIRST_ROOM : in->room * 2};
    larger.entries = meter_map_memory(larger.room * sizeof(entry));
    if (larger.entries == NULL)
        return false;
    for (uint64_t i = 0; i < in->room; i++)
        if (in->entries[i].block != 0)
            larger.entries[place_of(&larger, in->entries[i].block)] = in->entries[i];
    meter_unmap_memory(in->entries, in->room * sizeof(entry));
    in->entries = larger.entries;
    in->room = larger.room;
    return true;
}

void meter_blocks_put(meter_table_name table, const void *block, uint64_t value)
{
    shard *in = shard_of(table, hash_of((uintptr_t)block));
    meter_lock_take(&in->lock);
    if (in->count * 3 < in->room * 2 || grow(in)) {
        uint64_t at = place_of(in, (uintptr_t)block);
        in->count += in->entries[at].block == 0;
        in->entries[at] = (entry){(uintptr_t)block, value};
    }
    meter_lock_leave(&in->lock);
}

bool meter_blocks_take(meter_table_name table, const void *block, uint64_t *value)
{
    shard *in = shard_of(table, hash_of((uintptr_t)block));
    meter_lock_take(&in->lock);
    uint64_t mask = in->room - 1;
    uint64_t hole = in->room == 0 ? 0 : place_of(in, (uintptr_t)block);
    bool is_known = in->room != 0 && in->entries[hole].block != 0;
    if (is_known) {
        *value = in->entries[hole].value;
        in->count--;
        /* Whatever was pushed past the hole by a collision moves back into it. */
        for (uint64_t at = (hole + 1) & mask; in->entries[at].block != 0; at = (at + 1) & mask) {
            uint64_t home = hash_of(in->entries[at].block) >> SHARD_BITS & mask;
            if (((at - home) & mask) < ((at - hole) & mask))
                continue;
            in->entries[hole] = in->entries[at];
            hole = at;
        }
        in->entries[hole].block = 0;
    }
    meter_lock_leave(&in->lock);
    return is_known;
}

void meter_blocks_each(meter_table_name table, void (*visit)(uintptr_t block, uint64_t value, void *user), void *user)
{
    for (int s = 0; s < SHARDS; s++) {
        shard *in = &shards[table][s];
        meter_lock_take(&in->lock);
        for (uint64_t i = 0; i < in->room; i++)
            if (in->entries[i].block != 0)
                visit(in->entries[i].block, in->entries[i].value, user);
        meter_lock_leave(&in->lock);
    }
}

void meter_blocks_hold(void)
{
    for (int t = 0; t < METER_TABLES; t++)
        for (int s = 0; s < SHARDS; s++)
            meter_lock_take(&shards[t][s].lock);
    holds_all = true;
}

void meter_blocks_let_go(void)
{
    holds_all = false;
    for (int t = 0; t < METER_TABLES; t++)
        for (int s = 0; s < SHARDS; s++)
            meter_lock_leave(&shards[t][s].lock);
}
