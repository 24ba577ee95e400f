/* Reads what lies beside a recording: the map of the heap and the stacks of what stays allocated.
 *
 * Both are text that another process wrote, whole, under another name first. Still every number is held against what
 * is there.
 */
#include "base/error.h"
#include "doctor/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_NBYTES = 1 << 30, MOST_FRAMES = 1000 };

/* --- lines --------------------------------------------------------------------------------------- */

typedef struct lines {
    char *text; /* the whole file, ended by 0; lines are cut off as they are read */
    char *next; /* NULL: at the end */
    int64_t number;
} lines;

static ladle_status read_text(const char *path, char **text, ladle_error *error)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ladle_fail_errno(error, errno, LADLE_NO_OFFSET, "cannot open it");
    ladle_status status = LADLE_OK;
    size_t n = 0;
    ssize_t got = 0;
    if (fstat(fd, &info) != 0)
        status = ladle_fail_errno(error, errno, LADLE_NO_OFFSET, "fstat failed");
    else if (info.st_size > MOST_NBYTES)
        status = ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "%lld bytes, expected at most %d",
                            (long long)info.st_size, MOST_NBYTES);
    else if ((*text = malloc((size_t)info.st_size + 1)) == NULL)
        status = ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for %lld bytes", (long long)info.st_size);
    while (status == LADLE_OK && n < (size_t)info.st_size && (got = read(fd, *text + n, (size_t)info.st_size - n)) > 0)
        n += (size_t)got;
    if (status == LADLE_OK && got < 0)
        status = ladle_fail_errno(error, errno, (int64_t)n, "cannot read it");
    if (status == LADLE_OK)
        (*text)[n] = '\0';
    (void)close(fd);
    return status;
}

/* The file `suffix` beside the recording; its path goes to `path`, for messages. */
static ladle_status begin(const ladle_recording *recording, const char *suffix, lines *in, char **path,
                          ladle_error *error)
{
    const char *own = ladle_recording_path(recording);
    size_t stem = strlen(own);
    if (stem > 6 && strcmp(own + stem - 6, ".meter") == 0)
        stem -= 6;
    size_t size = stem + strlen(suffix) + 1;
    *in = (lines){0};
    if ((*path = malloc(size)) == NULL)
        return ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for a path");
    (void)snprintf(*path, size, "%.*s%s", (int)stem, own, suffix);
    ladle_status status = read_text(*path, &in->text, error);
    in->next = in->text;
    return status;
}

/* NULL at the end. */
static char *next_line(lines *in)
{
    char *line = in->next;
    if (line == NULL || *line == '\0')
        return NULL;
    char *end = strchr(line, '\n');
    in->next = end == NULL ? NULL : end + 1;
    if (end != NULL)
        *end = '\0';
    in->number++;
    return line;
}

static ladle_status corrupt(const lines *in, ladle_error *error, const char *expected)
{
    return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "line %" PRId64 ": expected %s", in->number + 1, expected);
}

/* Numbers of a line that begins with `word`; false where it does not, or has fewer. */
static bool read_numbers(const char *line, const char *word, int base, int64_t *numbers, int count)
{
    size_t n = strlen(word);
    if (line == NULL || strncmp(line, word, n) != 0)
        return false;
    for (int i = 0; i < count; i++) {
        char *end;
        errno = 0;
        if (line[n] != ' ')
            return false;
        numbers[i] = (int64_t)(i == 0 && base == 16 ? strtoull(line + n, &end, 16)
                                                    : (unsigned long long)strtoll(line + n, &end, 10));
        if (end == line + n || errno != 0)
            return false;
        n = (size_t)(end - line);
    }
    return true;
}

/* --- the map ------------------------------------------------------------------------------------- */

/* The map and its text in one: `pages` points into it. */
typedef struct owned_map {
    ladle_heap_map map;
    char *text;
    int64_t room;
} owned_map;

const char *ladle_region_kind_name(int32_t kind)
{
    return kind == LADLE_REGION_HEAP ? "heap" : kind == LADLE_REGION_ARENA ? "arena" : "mapped";
}

void ladle_heap_map_release(ladle_heap_map *map)
{
    if (map == NULL)
        return;
    owned_map *owned = (owned_map *)(void *)map;
    free(owned->text);
    free(map->regions);
    free(owned);
}

static ladle_status read_region(owned_map *owned, lines *in, const char *line, ladle_error *error)
{
    ladle_heap_map *map = &owned->map;
    int64_t numbers[3];
    if (!read_numbers(line, "region", 16, numbers, 3) || numbers[1] < 0 || numbers[1] > MOST_NBYTES ||
        numbers[2] < LADLE_REGION_HEAP || numbers[2] > LADLE_REGION_MAPPED)
        return corrupt(in, error, "a region");
    const char *pages = next_line(in);
    if (pages == NULL || strlen(pages) != (size_t)numbers[1] || strspn(pages, ".0123456789X") != (size_t)numbers[1])
        return corrupt(in, error, "a character for each page of the region");
    if (map->region_count == owned->room) {
        int64_t room = owned->room == 0 ? 64 : owned->room * 2;
        void *grown = realloc(map->regions, (size_t)room * sizeof *map->regions);
        if (grown == NULL)
            return ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for %" PRId64 " regions", room);
        map->regions = grown;
        owned->room = room;
    }
    map->regions[map->region_count++] = (ladle_heap_region){.start = (uint64_t)numbers[0],
                                                            .nbytes = numbers[1] * map->page_nbytes,
                                                            .kind = (int32_t)numbers[2],
                                                            .pages = pages};
    return LADLE_OK;
}

static ladle_status read_map(owned_map *owned, lines *in, ladle_error *error)
{
    int64_t numbers[2];
    if (!read_numbers(next_line(in), "ladle map 1", 10, numbers, 2) || numbers[1] <= 0 || numbers[1] > 1 << 30)
        return corrupt(in, error, "the head of a map of version 1");
    owned->map.time_ns = numbers[0];
    owned->map.page_nbytes = numbers[1];
    ladle_status status = LADLE_OK;
    const char *line;
    while ((line = next_line(in)) != NULL && strcmp(line, "end") != 0 && status == LADLE_OK)
        status = read_region(owned, in, line, error);
    return status == LADLE_OK && line == NULL ? corrupt(in, error, "an end") : status;
}

ladle_heap_map *ladle_recording_map(const ladle_recording *recording, ladle_error *error)
{
    lines in;
    char *path = NULL;
    owned_map *owned = calloc(1, sizeof *owned);
    ladle_status status = owned == NULL ? ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for a map")
                                        : begin(recording, ".map", &in, &path, error);
    if (owned != NULL)
        owned->text = in.text;
    if (status == LADLE_OK)
        status = read_map(owned, &in, error);
    if (status != LADLE_OK) {
        if (path != NULL)
            ladle_error_where(error, ": ", "%s", path);
        ladle_heap_map_release(owned == NULL ? NULL : &owned->map);
        owned = NULL;
    }
    free(path);
    return owned == NULL ? NULL : &owned->map;
}

/* --- the stacks ---------------------------------------------------------------------------------- */

typedef struct owned_stacks {
    ladle_stacks stacks;
    char *text;
    int64_t room;
} owned_stacks;

void ladle_stacks_release(ladle_stacks *stacks)
{
    if (stacks == NULL)
        return;
    owned_stacks *owned = (owned_stacks *)(void *)stacks;
    for (int64_t i = 0; i < stacks->count; i++)
        free((void *)(uintptr_t)stacks->stacks[i].frames);
    free(stacks->stacks);
    free(owned->text);
    free(owned);
}

static ladle_status read_stack(owned_stacks *owned, lines *in, const char *line, ladle_error *error)
{
    ladle_stacks *stacks = &owned->stacks;
    int64_t numbers[4];
    if (!read_numbers(line, "stack", 10, numbers, 4) || numbers[3] < 0 || numbers[3] > MOST_FRAMES)
        return corrupt(in, error, "a stack");
    if (stacks->count == owned->room) {
        int64_t room = owned->room == 0 ? 64 : owned->room * 2;
        void *grown = realloc(stacks->stacks, (size_t)room * sizeof *stacks->stacks);
        if (grown == NULL)
            return ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for %" PRId64 " stacks", room);
        stacks->stacks = grown;
        owned->room = room;
    }
    const char **frames = malloc((size_t)(numbers[3] + 1) * sizeof *frames);
    if (frames == NULL)
        return ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for %" PRId64 " frames", numbers[3]);
    stacks->stacks[stacks->count++] = (ladle_stack){
        .nbytes = numbers[0], .blocks = numbers[1], .growth = numbers[2], .frame_count = numbers[3], .frames = frames};
    for (int64_t i = 0; i < numbers[3]; i++)
        if ((frames[i] = next_line(in)) == NULL)
            return corrupt(in, error, "a frame");
    return LADLE_OK;
}

static ladle_status read_stacks(owned_stacks *owned, lines *in, ladle_error *error)
{
    int64_t numbers[3];
    if (!read_numbers(next_line(in), "ladle stacks 1", 10, numbers, 3))
        return corrupt(in, error, "the head of stacks of version 1");
    owned->stacks.time_ns = numbers[0];
    owned->stacks.middle_ns = numbers[1];
    owned->stacks.every_nbytes = numbers[2];
    ladle_status status = LADLE_OK;
    const char *line;
    while ((line = next_line(in)) != NULL && strcmp(line, "end") != 0 && status == LADLE_OK)
        status = read_stack(owned, in, line, error);
    return status == LADLE_OK && line == NULL ? corrupt(in, error, "an end") : status;
}

ladle_stacks *ladle_recording_stacks(const ladle_recording *recording, ladle_error *error)
{
    lines in;
    char *path = NULL;
    owned_stacks *owned = calloc(1, sizeof *owned);
    ladle_status status = owned == NULL ? ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory for stacks")
                                        : begin(recording, ".stacks", &in, &path, error);
    if (owned != NULL)
        owned->text = in.text;
    if (status == LADLE_OK)
        status = read_stacks(owned, &in, error);
    if (status != LADLE_OK) {
        if (path != NULL)
            ladle_error_where(error, ": ", "%s", path);
        ladle_stacks_release(owned == NULL ? NULL : &owned->stacks);
        owned = NULL;
    }
    free(path);
    return owned == NULL ? NULL : &owned->stacks;
}
