/* How far the steps of a scan reach: by entries, or by bytes, of which the offsets of lists over the horizon tell. */
#include "base/checked.h"
#include "base/error.h"
#include "base/search.h"
#include "deliver/counts.h"
#include "deliver/scan.h"

#include <inttypes.h>
#include <string.h>

enum {
    LEAST_AHEAD = 1024, /* entries: fewer are not worth a pass over the pages that hold their offsets */
    MOST_REACHES = 8192 /* steps that are known at once, however short they are */
};

/* --- the horizon ------------------------------------------------------------------------------ */

/* The entries whose counts are needed: those of all pages that hold items of [start, stop). */
static void counted_range(const ladle_scan_part *part, int32_t index, int64_t *start, int64_t *stop)
{
    const ladle_table *table = part->table;
    const ladle_scan_column *columns = part->columns.items;
    int64_t low = *start, high = *stop;
    for (int64_t i = 0; i < part->columns.count; i++)
        if (columns[i].lists == index) {
            int64_t first, last;
            table->ops->page_bounds(table, columns[i].column, *start, *stop, &first, &last);
            low = ladle_min(low, first);
            high = ladle_max(high, last);
        }
    *start = low;
    *stop = high;
}

static ladle_status check_counter(const ladle_scan_part *part, const ladle_scan_lists *lists, int64_t stop,
                                  ladle_error *error)
{
    const ladle_column *counter = &part->table->columns[lists->counter];
    if (counter->n_entries >= stop)
        return LADLE_OK;
    ladle_status status = ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                                     "its counter %s has %" PRId64 " entries, %" PRId64 " are needed", counter->name,
                                     counter->n_entries, stop);
    ladle_table_blame(part->table, lists->column, error);
    return status;
}

/* Inner lists must be as many as the outer ones say. */
static ladle_status check_nesting(ladle_scan_part *part, int64_t *positions, ladle_error *error)
{
    const ladle_scan_lists *lists = part->lists.items;
    for (int64_t i = 0; i < part->lists.count; i++) {
        bool is_outermost = lists[i].parent < 0;
        int64_t found = ladle_lease_count(lists[i].offsets) - 1;
        int64_t around = is_outermost ? part->horizon_stop - lists[i].base : positions[lists[i].parent];
        if (found < around) {
            ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                       "there are %" PRId64 " lists where those around them hold %" PRId64, found, around);
            ladle_table_blame(part->table, lists[i].column, error);
            return LADLE_CORRUPT;
        }
        const int64_t *offsets = ladle_lease_data(lists[i].offsets);
        positions[i] = offsets[around] - offsets[is_outermost ? part->horizon - lists[i].base : 0];
    }
    return LADLE_OK;
}

/* Counts become offsets. */
static ladle_status take_offsets(ladle_scan_part *part, ladle_lease **leases, ladle_error *error)
{
    ladle_scan_lists *lists = part->lists.items;
    ladle_status status = LADLE_OK;
    for (int64_t i = 0; i < part->lists.count; i++) {
        if (lists[i].counter < 0 || status != LADLE_OK) {
            lists[i].offsets = leases[i];
            continue;
        }
        lists[i].offsets =
            ladle_sum_counts(part->context, part->table, lists[i].counter, lists[i].base, leases[i], error);
        ladle_lease_release(leases[i]);
        if (lists[i].offsets == NULL)
            status = (ladle_status)error->status;
    }
    return status;
}

/* Reads the offsets of all lists over [part->at, stop). */
static ladle_status read_horizon(ladle_scan_part *part, ladle_reader *reader, int64_t stop, ladle_error *error)
{
    int64_t n = part->lists.count;
    ladle_scan_forget_horizon(part);
    part->horizon = part->at;
    part->horizon_stop = stop;
    if (n == 0)
        return LADLE_OK;
    size_t each = sizeof(ladle_request) + sizeof(ladle_lease *) + sizeof(ladle_error) + sizeof(int64_t);
    uint8_t *room = ladle_alloc_array(part->context, n, each, LADLE_MEMORY_METADATA, error);
    if (room == NULL)
        return (ladle_status)error->status;
    ladle_request *requests = (ladle_request *)(void *)room;
    ladle_lease **leases = (ladle_lease **)(void *)(requests + n);
    ladle_error *errors = (ladle_error *)(void *)(leases + n);
    int64_t *positions = (int64_t *)(void *)(errors + n);
    ladle_scan_lists *lists = part->lists.items;
    ladle_status status = LADLE_OK;
    for (int64_t i = 0; i < n && status == LADLE_OK; i++) {
        requests[i] = (ladle_request){part->table, lists[i].column, lists[i].buffer, part->horizon, stop};
        lists[i].base = part->horizon;
        if (lists[i].counter < 0)
            continue;
        requests[i].column = lists[i].counter;
        counted_range(part, (int32_t)i, &requests[i].start, &requests[i].stop);
        lists[i].base = requests[i].start;
        status = check_counter(part, &lists[i], requests[i].stop, error);
    }
    if (status == LADLE_OK) {
        status = ladle_read_buffers(reader, requests, n, leases, errors);
        for (int64_t i = n - 1; i >= 0; i--)
            if (errors[i].status != LADLE_OK)
                *error = errors[i];
        if (status == LADLE_OK)
            status = take_offsets(part, leases, error);
        else
            for (int64_t i = 0; i < n; i++)
                ladle_lease_release(leases[i]);
    }
    if (status == LADLE_OK)
        status = check_nesting(part, positions, error);
    if (status != LADLE_OK)
        ladle_scan_forget_horizon(part);
    ladle_free(part->context, room, (size_t)n * each, LADLE_MEMORY_METADATA);
    return status;
}

void ladle_scan_positions(const ladle_scan_part *part, int64_t entry, int64_t *positions)
{
    const ladle_scan_lists *lists = part->lists.items;
    for (int64_t i = 0; i < part->lists.count; i++) {
        const int64_t *offsets = ladle_lease_data(lists[i].offsets);
        if (lists[i].parent < 0)
            positions[i] = offsets[entry - lists[i].base] - offsets[part->horizon - lists[i].base];
        else
            positions[i] = offsets[positions[lists[i].parent]] - offsets[0];
    }
}

/* --- steps ------------------------------------------------------------------------------------ */

/* Decoded bytes of the entries before `entry`, from the beginning of the horizon. */
static double nbytes_before(const ladle_scan_part *part, int64_t entry, int64_t *positions)
{
    const ladle_scan_lists *lists = part->lists.items;
    double entries = (double)(entry - part->horizon), nbytes = entries * part->entry_nbytes;
    ladle_scan_positions(part, entry, positions);
    for (int64_t i = 0; i < part->lists.count; i++) {
        double around = lists[i].parent < 0 ? entries : (double)positions[lists[i].parent];
        nbytes += sizeof(int64_t) * around + lists[i].item_nbytes * (double)positions[i];
    }
    return nbytes;
}

/* The last border of clusters in (start, stop], or -1. */
static int64_t border_in(const ladle_scan_part *part, int64_t start, int64_t stop)
{
    int64_t i = ladle_lower_bound(part->borders, part->n_borders, sizeof *part->borders, stop + 1) - 1;
    return i >= 0 && part->borders[i] > start ? part->borders[i] : -1;
}

/* The end of the step that begins at `start`, whose bytes begin at `begin`. */
static int64_t reach(const ladle_scan_part *part, const ladle_scan_options *options, int64_t start, double begin,
                     int64_t *positions)
{
    /* Offsets have one more value than there are entries. */
    double fixed = (double)sizeof(int64_t) * (double)part->lists.count;
    int64_t low = start + 1, high = part->horizon_stop;
    while (low < high) {
        int64_t middle = low + (high - low + 1) / 2;
        if (nbytes_before(part, middle, positions) - begin + fixed <= (double)options->step_nbytes)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Where the horizon ends before the step does, which would be told by more of the entries. */
static bool is_cut_off(const ladle_scan_part *part, const ladle_scan_options *options, int64_t start, int64_t stop,
                       double nbytes)
{
    if (stop < part->horizon_stop || part->horizon_stop == part->stop)
        return false;
    if (options->step_entries > 0)
        return stop > part->horizon_stop;
    if (border_in(part, ladle_max(start, stop - 1), stop) < 0)
        return true;
    /* It ends with its cluster. Of whole clusters there may be more in it, unless it is half full. */
    return border_in(part, start - 1, start) >= 0 && nbytes < (double)options->step_nbytes / 2;
}

static ladle_status find_steps(ladle_scan_part *part, const ladle_scan_options *options, int64_t *positions,
                               ladle_error *error)
{
    part->reaches.count = 0;
    part->n_used = 0;
    double begin = 0;
    for (int64_t start = part->horizon; start < part->horizon_stop && part->reaches.count < MOST_REACHES;) {
        bool by_entries = options->step_entries > 0;
        int64_t stop = by_entries ? start + ladle_min(options->step_entries, part->stop - start)
                                  : reach(part, options, start, begin, positions);
        double end = nbytes_before(part, ladle_min(stop, part->horizon_stop), positions);
        if (is_cut_off(part, options, start, stop, end - begin))
            break;
        int64_t border = border_in(part, start, stop);
        if (!by_entries && border >= 0 && border < stop) {
            stop = border;
            end = nbytes_before(part, stop, positions);
        }
        ladle_scan_reach *r = ladle_vector_push(&part->reaches, error);
        if (r == NULL)
            return (ladle_status)error->status;
        *r = (ladle_scan_reach){stop, end - begin, stop == part->stop ? stop : border};
        start = stop;
        begin = end;
    }
    return LADLE_OK;
}

/* The first border of clusters at `entry` or behind it, or the part's stop. */
static int64_t border_from(const ladle_scan_part *part, int64_t entry)
{
    int64_t i = ladle_lower_bound(part->borders, part->n_borders, sizeof *part->borders, entry);
    return i < part->n_borders ? ladle_min(part->borders[i], part->stop) : part->stop;
}

int64_t ladle_scan_next_border(const ladle_scan_part *part)
{
    return border_from(part, part->at + 1);
}

/* How many entries to look ahead at first. */
static int64_t first_span(const ladle_scan_part *part, const ladle_scan_options *options, ladle_scan_sight sight)
{
    int64_t rest = part->stop - part->at;
    double span = (double)rest, offsets = (double)sizeof(int64_t) * (double)part->lists.count;
    if (offsets * span > sight.offsets_nbytes)
        span = sight.offsets_nbytes / offsets;
    if (part->nbytes_per_entry * span > sight.nbytes)
        span = sight.nbytes / part->nbytes_per_entry;
    /* Nothing is known: a cluster. */
    double enough = part->nbytes_per_entry > 0 ? sight.enough_nbytes / part->nbytes_per_entry : 0;
    bool is_bordered = false;
    if (enough < span) {
        int64_t first = part->open == NULL ? part->at + 1 : part->filled + 1;
        double next = (double)(border_from(part, ladle_max(first, part->at + (int64_t)enough)) - part->at);
        is_bordered = next < span;
        span = is_bordered ? next : span;
    }
    int64_t whole = ladle_max(span < (double)rest ? (int64_t)span : rest, LEAST_AHEAD);
    if (options->step_entries > 0) {
        int64_t n_steps = ladle_min(ladle_max(whole / options->step_entries, 1), MOST_REACHES);
        if (is_bordered && n_steps < MOST_REACHES && n_steps * options->step_entries < whole)
            n_steps++; /* in which the border is */
        return n_steps < rest / options->step_entries ? n_steps * options->step_entries : rest;
    }
    whole = ladle_min(whole, rest);
    int64_t border = border_in(part, part->at, part->at + whole);
    return border > 0 ? border - part->at : whole;
}

/* The next span to try between one that can be read and one that cannot, or 0: what is between is given up. Where bytes
 * rule, that ends with its cluster. */
static int64_t span_between(const ladle_scan_part *part, const ladle_scan_options *options, bool is_read, int64_t least,
                            int64_t good, int64_t bad)
{
    if (bad - good > least)
        return good + (is_read ? (bad - good) / 2 : ladle_max((bad - good) / 8 / least, 1) * least);
    if (options->step_entries > 0)
        return 0;
    int64_t border = border_in(part, part->at + good, part->at + good + (bad - good) / 2);
    border = border > 0 ? border : border_in(part, part->at + good, part->at + bad - 1);
    return border > 0 ? border - part->at : 0;
}

ladle_status ladle_scan_look_ahead(ladle_scan_part *part, ladle_reader *reader, const ladle_scan_options *options,
                                   ladle_scan_sight sight, int64_t *failed_stop, ladle_error *error)
{
    if (part->n_used < part->reaches.count)
        return LADLE_OK;
    part->reaches.count = part->n_used = 0;
    const int64_t rest = part->stop - part->at;
    const int64_t least = ladle_min(rest, options->step_entries > 0 ? options->step_entries : LEAST_AHEAD);
    size_t size = sizeof(int64_t) * (size_t)(part->lists.count + 1);
    int64_t *positions = ladle_alloc(part->context, size, LADLE_MEMORY_METADATA, error);
    *failed_stop = part->at + least;
    if (positions == NULL)
        return (ladle_status)error->status;
    /* Spans up to `good` can be read and hold no whole step, one of `bad` cannot be read. */
    int64_t span = first_span(part, options, sight), good = 0, bad = -1;
    ladle_status status = LADLE_OK;
    ladle_error failure;
    while (status == LADLE_OK && part->reaches.count == 0 && span > 0) {
        bool is_read = read_horizon(part, reader, part->at + span, &failure) == LADLE_OK;
        if (is_read)
            status = find_steps(part, options, positions, error);
        good = is_read ? span : good;
        bad = is_read ? bad : span;
        span = bad < 0 ? ladle_min(rest, 2 * good) : span_between(part, options, is_read, least, good, bad);
    }
    if (status == LADLE_OK && part->reaches.count == 0) {
        *failed_stop = part->at + bad;
        *error = failure;
        status = (ladle_status)failure.status;
    }
    if (status == LADLE_OK) {
        const ladle_scan_reach *last = (const ladle_scan_reach *)part->reaches.items + part->reaches.count - 1;
        part->nbytes_per_entry = nbytes_before(part, last->stop, positions) / (double)(last->stop - part->horizon);
    }
    if (status != LADLE_OK)
        part->reaches.count = 0; /* some may have been found before memory ran out */
    ladle_free(part->context, positions, size, LADLE_MEMORY_METADATA);
    return status;
}
