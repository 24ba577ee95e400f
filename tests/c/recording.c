/* Recordings of the meter and what lies beside them: good ones, cut, foreign, of another version, left in disorder. */
#include "doctor/recording.h"
#include "support/check.h"

#include <ladle/doctor.h>

#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/ladle-recording-XXXXXX";
static char path[64], map_path[64], stacks_path[64];

/* The file at `path`, mapped. */
typedef struct file {
    ladle_meter_header *header;
    ladle_sample *samples;
    ladle_meter_slot *slots;
} file;

static file make(void)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)LADLE_METER_FILE_NBYTES), 0);
    char *mapping = mmap(NULL, LADLE_METER_FILE_NBYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(mapping != MAP_FAILED);
    assert_int_equal(close(fd), 0);
    file made = {(void *)mapping, (void *)(mapping + LADLE_METER_SAMPLES_OFFSET),
                 (void *)(mapping + LADLE_METER_SLOTS_OFFSET)};
    memcpy(made.header->magic, LADLE_METER_MAGIC, sizeof made.header->magic);
    made.header->version = LADLE_METER_VERSION;
    made.header->header_nbytes = sizeof(ladle_meter_header);
    made.header->sample_nbytes = sizeof(ladle_sample);
    made.header->slot_nbytes = sizeof(ladle_meter_slot);
    made.header->samples_offset = LADLE_METER_SAMPLES_OFFSET;
    made.header->slots_offset = LADLE_METER_SLOTS_OFFSET;
    made.header->pid = 1234;
    made.header->parent = 1233;
    made.header->start_ns = 5000000000;
    made.header->python_arenas = -1;
    made.header->slots_used = 2;
    (void)strcpy(made.header->allocator, "glibc");
    (void)strcpy(made.header->command, "program --with words");
    return made;
}

static void done(file made)
{
    assert_int_equal(munmap(made.header, LADLE_METER_FILE_NBYTES), 0);
}

static void write_text(const char *where, const char *text)
{
    FILE *out = fopen(where, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static int begin(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/1234.0.meter", folder);
    (void)snprintf(map_path, sizeof map_path, "%s/1234.0.map", folder);
    (void)snprintf(stacks_path, sizeof stacks_path, "%s/1234.0.stacks", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unlink(map_path);
    (void)unlink(stacks_path);
    return rmdir(folder);
}

static void assert_refused(int status, const char *text)
{
    ladle_error error = blank_error();
    assert_null(ladle_recording_open(path, &error));
    assert_error(error, status, text);
    assert_non_null(strstr(error.where, path));
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    file made = make();
    for (int i = 0; i < 3; i++)
        made.samples[i] = (ladle_sample){.kind = LADLE_SAMPLE_INSIDE, .time_ns = 100 * (i + 1), .rss = 10 * i};
    made.header->sample_count = 3;
    made.header->end = LADLE_RECORDING_EXITED;
    ladle_error error = blank_error();
    ladle_recording *recording = ladle_recording_open(path, &error);
    assert_some(recording, error);
    assert_int_equal(ladle_recording_pid(recording), 1234);
    assert_int_equal(ladle_recording_parent(recording), 1233);
    assert_int_equal(ladle_recording_start_ns(recording), 5000000000);
    assert_int_equal(ladle_recording_ended(recording), LADLE_RECORDING_EXITED);
    assert_string_equal(ladle_recording_command(recording), "program --with words");
    assert_string_equal(ladle_recording_allocator(recording), "glibc");
    int64_t count = -1;
    const ladle_sample *samples = ladle_recording_samples(recording, &count);
    assert_int_equal(count, 3);
    assert_int_equal(samples[2].rss, 20);
    ladle_recording_release(recording);
    done(made);
}

/* Numbers that no meter writes are not believed. */
static void numbers_are_held_against_what_is_there(void **state)
{
    (void)state;
    file made = make();
    for (int i = 0; i < LADLE_METER_SAMPLES; i++)
        made.samples[i] = (ladle_sample){.kind = LADLE_SAMPLE_INSIDE, .time_ns = i + 1};
    made.header->sample_count = INT64_MAX;
    made.header->slots_used = INT32_MAX;
    made.header->end = 77;
    memset(made.header->command, 'x', sizeof made.header->command);
    memset(made.header->allocator, 'y', sizeof made.header->allocator);
    ladle_error error = blank_error();
    ladle_recording *recording = ladle_recording_open(path, &error);
    assert_some(recording, error);
    assert_int_equal(ladle_recording_ended(recording), LADLE_RECORDING_RUNS);
    assert_int_equal(strlen(ladle_recording_command(recording)), sizeof made.header->command - 1);
    assert_int_equal(strlen(ladle_recording_allocator(recording)), sizeof made.header->allocator - 1);
    int64_t count = -1;
    (void)ladle_recording_samples(recording, &count);
    assert_int_equal(count, LADLE_METER_SAMPLES);
    made.header->sample_count = -5;
    (void)ladle_recording_samples(recording, &count);
    assert_int_equal(count, 0);
    ladle_sample sample;
    ladle_recording_counters(recording, &sample);
    assert_int_equal(sample.live_usable, 0);
    ladle_recording_release(recording);
    done(made);
}

/* A process that is killed while it thins out its samples leaves some twice. */
static void disorder_is_dropped(void **state)
{
    (void)state;
    file made = make();
    static const int64_t times[] = {10, 30, 50, 30, 40, 50, 60};
    for (size_t i = 0; i < N_OF(times); i++)
        made.samples[i] = (ladle_sample){.kind = LADLE_SAMPLE_INSIDE, .time_ns = times[i]};
    made.header->sample_count = N_OF(times);
    made.header->sample_epoch = 7;
    ladle_error error = blank_error();
    ladle_recording *recording = ladle_recording_open(path, &error);
    assert_some(recording, error);
    int64_t count = -1;
    const ladle_sample *samples = ladle_recording_samples(recording, &count);
    assert_int_equal(count, 4);
    assert_int_equal(samples[3].time_ns, 60);
    ladle_recording_release(recording);
    done(made);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    (void)unlink(path);
    assert_refused(LADLE_NOT_FOUND, NULL);
    write_text(path, "");
    assert_refused(LADLE_CORRUPT, "0 bytes");
    write_text(path, "not a recording\n");
    assert_refused(LADLE_CORRUPT, "16 bytes");
    file made = make();
    made.header->magic[0] = 'L';
    assert_refused(LADLE_CORRUPT, "not a recording");
    memcpy(made.header->magic, LADLE_METER_MAGIC, sizeof made.header->magic);
    made.header->version = 99;
    assert_refused(LADLE_UNSUPPORTED, "version 99");
    made.header->version = LADLE_METER_VERSION;
    made.header->sample_nbytes = 8;
    assert_refused(LADLE_UNSUPPORTED, "samples of 8 bytes");
    made.header->sample_nbytes = sizeof(ladle_sample);
    done(made);
    assert_int_equal(truncate(path, LADLE_METER_PAGE), 0);
    assert_refused(LADLE_CORRUPT, "cut");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    ladle_error error = blank_error();
    assert_null(ladle_recording_open(path, &error));
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(LADLE_CORRUPT, "not a regular file");
    assert_int_equal(unlink(path), 0);
}

static void slots_add_up(void **state)
{
    (void)state;
    file made = make();
    int of_100 = ladle_size_class(100), of_5000 = ladle_size_class(5000);
    /* A block that one thread took and another gave back, and one more; a class where a reader came between. */
    made.slots[0].classes[of_100].allocated_blocks = 3;
    made.slots[0].classes[of_100].allocated_usable = 300;
    made.slots[0].classes[of_100].allocated_requested = 270;
    made.slots[1].classes[of_100].freed_blocks = 1;
    made.slots[1].classes[of_100].freed_usable = 100;
    made.slots[1].classes[of_5000].freed_blocks = 1;
    made.slots[1].classes[of_5000].freed_usable = 5000;
    made.header->peak = 1000;
    ladle_error error = blank_error();
    ladle_recording *recording = ladle_recording_open(path, &error);
    assert_some(recording, error);
    ladle_sample sample;
    ladle_recording_counters(recording, &sample);
    assert_int_equal(sample.live_usable, 200);
    assert_int_equal(sample.live_requested, 180);
    assert_int_equal(sample.live_blocks, 2);
    assert_int_equal(sample.class_nbytes[of_100], 200);
    assert_int_equal(sample.class_blocks[of_5000], 0);
    assert_int_equal(sample.peak_live, 1000);
    assert_int_equal(sample.rss, -1);
    ladle_recording_release(recording);
    done(made);
}

static void classes_have_limits(void **state)
{
    (void)state;
    assert_int_equal(ladle_size_class_limit(0), 16);
    assert_int_equal(ladle_size_class_limit(LADLE_SIZE_CLASSES - 1), INT64_MAX);
    for (int c = 0; c < LADLE_SIZE_CLASSES - 1; c++) {
        int64_t limit = ladle_size_class_limit(c);
        assert_int_equal(ladle_size_class((uint64_t)limit), c);
        assert_int_equal(ladle_size_class((uint64_t)limit + 1), c + 1);
    }
    assert_int_equal(ladle_size_class(0), 0);
    assert_int_equal(ladle_size_class(UINT64_MAX), LADLE_SIZE_CLASSES - 1);
}

static void a_process_that_is_gone_is_not_observed(void **state)
{
    (void)state;
    file made = make();
    made.header->pid = 4194305; /* larger than any */
    ladle_error error = blank_error();
    ladle_recording *recording = ladle_recording_open(path, &error);
    assert_some(recording, error);
    ladle_sample sample;
    assert_status(ladle_recording_observe(recording, &sample, &error), LADLE_NOT_FOUND, error);
    assert_error(error, LADLE_NOT_FOUND, "is gone");
    /* This process has that pid now, but is not the one that was metered: it started at another time. */
    made.header->pid = getpid();
    made.header->process_start = 1;
    assert_status(ladle_recording_observe(recording, &sample, &error), LADLE_NOT_FOUND, error);
    made.header->end = LADLE_RECORDING_REPLACED;
    assert_status(ladle_recording_observe(recording, &sample, &error), LADLE_NOT_FOUND, error);
    assert_error(error, LADLE_NOT_FOUND, "runs another program");
    assert_int_equal(made.header->wanted, 0);
    ladle_recording_release(recording);
    done(made);
}

static void assert_map_refused(ladle_recording *recording, int status, const char *text, const char *message)
{
    ladle_error error = blank_error();
    if (text != NULL)
        write_text(map_path, text);
    assert_null(ladle_recording_map(recording, &error));
    assert_error(error, status, message);
    assert_non_null(strstr(error.where, map_path));
}

static void maps_are_read(void **state)
{
    (void)state;
    done(make());
    ladle_error error = blank_error();
    ladle_recording *recording = ladle_recording_open(path, &error);
    assert_some(recording, error);
    assert_map_refused(recording, LADLE_NOT_FOUND, NULL, NULL);
    write_text(map_path, "ladle map 1 77 4096\nregion ffff800000001000 4 0\n.0X5\nregion 10000 0 2\n\nend\n");
    ladle_heap_map *map = ladle_recording_map(recording, &error);
    assert_some(map, error);
    assert_int_equal(map->time_ns, 77);
    assert_int_equal(map->page_nbytes, 4096);
    assert_int_equal(map->region_count, 2);
    assert_true(map->regions[0].start == 0xffff800000001000u);
    assert_int_equal(map->regions[0].nbytes, 16384);
    assert_string_equal(map->regions[0].pages, ".0X5");
    assert_string_equal(ladle_region_kind_name(map->regions[1].kind), "mapped");
    ladle_heap_map_release(map);
    assert_map_refused(recording, LADLE_CORRUPT, "", "line 1");
    assert_map_refused(recording, LADLE_CORRUPT, "ladle map 2 77 4096\nend\n", "version 1");
    assert_map_refused(recording, LADLE_CORRUPT, "ladle map 1 77 0\nend\n", "version 1");
    assert_map_refused(recording, LADLE_CORRUPT, "ladle map 1 77 4096\n", "an end");
    assert_map_refused(recording, LADLE_CORRUPT, "ladle map 1 77 4096\nregion 10 4 0\n.0X\nend\n", "each page");
    assert_map_refused(recording, LADLE_CORRUPT, "ladle map 1 77 4096\nregion 10 4 0\n.0Xq\nend\n", "each page");
    assert_map_refused(recording, LADLE_CORRUPT, "ladle map 1 77 4096\nregion 10 4 3\n.0X1\nend\n", "a region");
    assert_map_refused(recording, LADLE_CORRUPT, "ladle map 1 77 4096\nregion 10 -4 0\nend\n", "a region");
    assert_map_refused(recording, LADLE_CORRUPT, "ladle map 1 77 4096\nregion 10 4\n", "a region");
    assert_map_refused(recording, LADLE_CORRUPT, "ladle map 1 77 4096\nregion 10 4 0\n", "each page");
    ladle_recording_release(recording);
}

static void assert_stacks_refused(ladle_recording *recording, const char *text, const char *message)
{
    ladle_error error = blank_error();
    write_text(stacks_path, text);
    assert_null(ladle_recording_stacks(recording, &error));
    assert_error(error, LADLE_CORRUPT, message);
}

static void stacks_are_read(void **state)
{
    (void)state;
    done(make());
    ladle_error error = blank_error();
    ladle_recording *recording = ladle_recording_open(path, &error);
    assert_some(recording, error);
    assert_null(ladle_recording_stacks(recording, &error));
    assert_error(error, LADLE_NOT_FOUND, NULL);
    write_text(stacks_path,
               "ladle stacks 1 90 40 524288\nstack 1000 10 -7 2\nf (a.so)\nmain (b)\nstack 5 1 5 0\nend\n");
    ladle_stacks *stacks = ladle_recording_stacks(recording, &error);
    assert_some(stacks, error);
    assert_int_equal(stacks->time_ns, 90);
    assert_int_equal(stacks->middle_ns, 40);
    assert_int_equal(stacks->every_nbytes, 524288);
    assert_int_equal(stacks->count, 2);
    assert_int_equal(stacks->stacks[0].growth, -7);
    assert_int_equal(stacks->stacks[0].frame_count, 2);
    assert_string_equal(stacks->stacks[0].frames[1], "main (b)");
    ladle_stacks_release(stacks);
    assert_stacks_refused(recording, "ladle stacks 1 90 40\n", "version 1");
    assert_stacks_refused(recording, "ladle stacks 1 90 40 5\nstack 1000 10 -7\nend\n", "a stack");
    assert_stacks_refused(recording, "ladle stacks 1 90 40 5\nstack 1000 10 -7 1000000000\n", "a stack");
    assert_stacks_refused(recording, "ladle stacks 1 90 40 5\nstack 1000 10 -7 2\nf (a)\n", "a frame");
    assert_stacks_refused(recording, "ladle stacks 1 90 40 5\nstack 99999999999999999999 1 1 0\nend\n", "a stack");
    ladle_recording_release(recording);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(numbers_are_held_against_what_is_there),
        cmocka_unit_test(disorder_is_dropped),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(slots_add_up),
        cmocka_unit_test(classes_have_limits),
        cmocka_unit_test(a_process_that_is_gone_is_not_observed),
        cmocka_unit_test(maps_are_read),
        cmocka_unit_test(stacks_are_read),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
