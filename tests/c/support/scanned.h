/* support/scanned.h: scans read to their ends, each step compared with the columns as they are when read at once.
 *
 *     scan_goal goal = begin_goal(reader, table, names, n_names);
 *     scan_log log = scan_range(reader, &options, &goal, start, stop);   // asserts that the steps are right and whole
 *     free_log(&log);
 *     end_goal(&goal);
 */
#ifndef LADLE_TESTS_SCANNED_H
#define LADLE_TESTS_SCANNED_H

#include <ladle/deliver.h>

/* What a part of a scan must give. */
typedef struct scan_goal {
    ladle_table *table;
    int32_t *columns;
    int32_t n_columns;
    ladle_column_info *infos; /* of each of them */
    ladle_array *wholes;      /* all entries of each */
} scan_goal;

/* Columns by their names, or, where that is NULL, all that can be read. They are read here. */
scan_goal begin_goal(ladle_reader *reader, ladle_table *table, const char *const *names, int32_t n_names);
void end_goal(scan_goal *goal);

/* What a scan said of its steps. */
typedef struct scan_said {
    int64_t part, start, stop, nbytes;
    ladle_error error; /* status LADLE_OK: it was right */
} scan_said;

typedef struct scan_log {
    scan_said *steps;
    int64_t n, capacity;
} scan_log;

void free_log(scan_log *log);
void assert_same_steps(const scan_log *a, const scan_log *b);

/* A scan, and a part of it. */
ladle_scan *begin_scan(ladle_reader *reader, const ladle_scan_options *options);
int64_t add_part(ladle_scan *scan, const scan_goal *goal, int64_t start, int64_t stop);

/* The step holds what its columns hold over its entries, and counts its bytes. */
void assert_step(const scan_goal *goal, const ladle_step *step);

/* Takes the next step, which is one of goals[part], looks at it, lets it go and writes down what was said. False at the
 * end of the scan, or when it was stopped. */
bool take_step(ladle_scan *scan, const scan_goal *goals, scan_log *log);
void take_all(ladle_scan *scan, const scan_goal *goals, scan_log *log);

/* The steps of the part follow each other from `start` to `stop`. */
void assert_covers(const scan_log *log, int64_t part, int64_t start, int64_t stop);

/* A scan of one part: no step of it fails. */
scan_log scan_range(ladle_reader *reader, const ladle_scan_options *options, const scan_goal *goal, int64_t start,
                    int64_t stop);

/* Threads of this process. */
int count_threads(void);

#endif
