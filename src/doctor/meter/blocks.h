/* Tables of live blocks: address -> 64 bits, for the map and for the stacks. Their memory is mapped, not malloc's. */
#ifndef LADLE_DOCTOR_METER_BLOCKS_H
#define LADLE_DOCTOR_METER_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

typedef enum meter_table_name { METER_TABLE_MAP = 0, METER_TABLE_STACKS, METER_TABLES } meter_table_name;

/* Nothing happens where there is no memory for it: the block is not known then. */
void meter_blocks_put(meter_table_name table, const void *block, uint64_t value);
/* Takes the block out; false: it is not known. */
bool meter_blocks_take(meter_table_name table, const void *block, uint64_t *value);
void meter_blocks_each(meter_table_name table, void (*visit)(uintptr_t block, uint64_t value, void *user), void *user);

/* Around fork: the child finds the tables whole. In between this thread needs no lock. */
void meter_blocks_hold(void);
void meter_blocks_let_go(void);

/* Memory for the meter itself; NULL: none. */
void *meter_map_memory(uint64_t nbytes);
void meter_unmap_memory(void *memory, uint64_t nbytes);

typedef struct meter_lock {
    _Atomic int taken;
} meter_lock;
void meter_lock_take(meter_lock *lock);
void meter_lock_leave(meter_lock *lock);

#pragma GCC visibility pop

#endif
