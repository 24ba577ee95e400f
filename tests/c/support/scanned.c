#include "support/scanned.h"

#include "support/check.h"
#include "support/nested.h"

#include <dirent.h>

/* --- goals ---------------------------------------------------------------------------------------- */

static void *room_for(int64_t n, size_t size)
{
    void *memory = calloc((size_t)n + 1, size);
    assert_non_null(memory);
    return memory;
}

static void add_column(scan_goal *goal, ladle_reader *reader, int32_t index)
{
    ladle_error error = blank_error();
    ladle_column_info *info = &goal->infos[goal->n_columns];
    info->struct_size = sizeof *info;
    assert_int_equal(ladle_table_column(goal->table, index, info), LADLE_OK);
    if (info->reason != NULL)
        return;
    assert_ok(ladle_read_column(reader, NULL, goal->table, index, 0, ladle_table_n_entries(goal->table),
                                &goal->wholes[goal->n_columns], &error),
              error);
    goal->columns[goal->n_columns++] = index;
}

scan_goal begin_goal(ladle_reader *reader, ladle_table *table, const char *const *names, int32_t n_names)
{
    int32_t most = names == NULL ? ladle_table_n_columns(table) : n_names;
    scan_goal goal = {.table = table,
                      .columns = room_for(most, sizeof *goal.columns),
                      .infos = room_for(most, sizeof *goal.infos),
                      .wholes = room_for(most, sizeof *goal.wholes)};
    for (int32_t i = 0; i < most; i++) {
        int32_t index = names == NULL ? i : ladle_table_find(table, names[i]);
        assert_true(index >= 0);
        add_column(&goal, reader, index);
    }
    assert_true(names == NULL || goal.n_columns == n_names);
    return goal;
}

void end_goal(scan_goal *goal)
{
    for (int32_t i = 0; i < goal->n_columns; i++)
        ladle_array_release(&goal->wholes[i]);
    free(goal->wholes);
    free(goal->infos);
    free(goal->columns);
}

/* --- logs ----------------------------------------------------------------------------------------- */

static scan_said *add_said(scan_log *log)
{
    if (log->n == log->capacity) {
        log->capacity = log->capacity == 0 ? 64 : 2 * log->capacity;
        log->steps = realloc(log->steps, (size_t)log->capacity * sizeof *log->steps);
        assert_non_null(log->steps);
    }
    memset(&log->steps[log->n], 0, sizeof *log->steps);
    return &log->steps[log->n++];
}

void free_log(scan_log *log)
{
    free(log->steps);
    memset(log, 0, sizeof *log);
}

void assert_same_steps(const scan_log *a, const scan_log *b)
{
    for (int64_t i = 0; i < a->n && i < b->n; i++) {
        const scan_said *x = &a->steps[i], *y = &b->steps[i];
        if (x->part != y->part || x->start != y->start || x->stop != y->stop || x->nbytes != y->nbytes)
            fail_msg("step %lld is %lld to %lld with %lld bytes, and %lld to %lld with %lld bytes", (long long)i,
                     (long long)x->start, (long long)x->stop, (long long)x->nbytes, (long long)y->start,
                     (long long)y->stop, (long long)y->nbytes);
    }
    assert_int_equal(a->n, b->n);
}

void assert_covers(const scan_log *log, int64_t part, int64_t start, int64_t stop)
{
    for (int64_t i = 0; i < log->n; i++) {
        const scan_said *said = &log->steps[i];
        if (said->part != part)
            continue;
        assert_int_equal(said->start, start);
        assert_true(said->stop > said->start);
        start = said->stop;
    }
    assert_int_equal(start, stop);
}

/* --- scans ---------------------------------------------------------------------------------------- */

ladle_scan *begin_scan(ladle_reader *reader, const ladle_scan_options *options)
{
    ladle_error error = blank_error();
    ladle_scan *scan = ladle_scan_create(reader, options, &error);
    assert_some(scan, error);
    return scan;
}

int64_t add_part(ladle_scan *scan, const scan_goal *goal, int64_t start, int64_t stop)
{
    ladle_error error = blank_error();
    int64_t part = -1;
    assert_ok(ladle_scan_add(scan, goal->table, goal->columns, goal->n_columns, start, stop, &part, &error), error);
    return part;
}

/* Bytes of the step's buffers, each counted once. */
static int64_t sum_nbytes(const ladle_step *step)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < step->n_buffers; i++) {
        bool is_new = true;
        for (int32_t k = 0; k < i && is_new; k++)
            is_new = step->buffers[k] != step->buffers[i];
        sum += is_new ? ladle_lease_nbytes(step->buffers[i]) : 0;
    }
    return sum;
}

void assert_step(const scan_goal *goal, const ladle_step *step)
{
    assert_ptr_equal(step->table, goal->table);
    int32_t at = 0;
    for (int32_t i = 0; i < goal->n_columns; i++) {
        const ladle_column_info *info = &goal->infos[i];
        ladle_array array = {.n_buffers = info->n_buffers, .n_entries = step->stop - step->start};
        assert_true(at + info->n_buffers <= step->n_buffers);
        for (int32_t k = 0; k < info->n_buffers; k++) {
            array.buffers[k] = step->buffers[at++];
            assert_non_null(array.buffers[k]);
            assert_int_equal(ladle_lease_dtype(array.buffers[k]), ladle_lease_dtype(goal->wholes[i].buffers[k]));
        }
        const char *fault = nested_fault(info, &array);
        if (fault != NULL)
            fail_msg("%s, entries %lld to %lld: %s", info->name, (long long)step->start, (long long)step->stop, fault);
        if (!nested_equal(info, &array, 0, array.n_entries, &goal->wholes[i], step->start))
            fail_msg("%s, entries %lld to %lld: other values", info->name, (long long)step->start,
                     (long long)step->stop);
    }
    assert_int_equal(step->n_buffers, at);
    assert_int_equal(step->nbytes, sum_nbytes(step));
}

bool take_step(ladle_scan *scan, const scan_goal *goals, scan_log *log)
{
    ladle_step step;
    ladle_error error = blank_error();
    ladle_status status = ladle_scan_next(scan, &step, &error);
    if (status == LADLE_CANCELLED || (status == LADLE_OK && step.n_buffers == 0))
        return false;
    scan_said *said = add_said(log);
    *said = (scan_said){step.part, step.start, step.stop, step.nbytes, {0}};
    if (status == LADLE_OK) {
        assert_step(&goals[step.part], &step);
    } else {
        assert_int_equal(error.status, status);
        assert_int_equal(step.n_buffers, 0);
        said->error = error;
    }
    ladle_step_release(&step);
    return true;
}

void take_all(ladle_scan *scan, const scan_goal *goals, scan_log *log)
{
    while (take_step(scan, goals, log))
        continue;
}

scan_log scan_range(ladle_reader *reader, const ladle_scan_options *options, const scan_goal *goal, int64_t start,
                    int64_t stop)
{
    scan_log log = {0};
    ladle_scan *scan = begin_scan(reader, options);
    assert_int_equal(add_part(scan, goal, start, stop), 0);
    take_all(scan, goal, &log);
    ladle_scan_release(scan);
    for (int64_t i = 0; i < log.n; i++)
        assert_ok(log.steps[i].error.status, log.steps[i].error);
    assert_covers(&log, 0, start, stop);
    return log;
}

int count_threads(void)
{
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count;
}
