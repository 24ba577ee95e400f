/* The listing of a file's keys, and the way from a path to a table. */
#include "root/file.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/near.h"
#include "memory/arena.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_KEY_NBYTES = 26 + 3 }; /* fixed fields and three empty strings */

struct ladle_keys {
    ladle_context *context;
    ladle_arena arena;
    ladle_vector list;    /* of ladle_key_info */
    ladle_vector visited; /* of int64_t: key lists entered, so that a cycle ends */
    ladle_error damage;   /* of the first directory that could not be read; status OK if none */
};

const ladle_error *ladle_keys_damage(const ladle_keys *keys)
{
    return keys->damage.status == LADLE_OK ? NULL : &keys->damage;
}

int64_t ladle_keys_count(const ladle_keys *keys)
{
    return keys->list.count;
}

const ladle_key_info *ladle_keys_get(const ladle_keys *keys, int64_t index)
{
    if (index < 0 || index >= keys->list.count)
        return NULL;
    return (const ladle_key_info *)keys->list.items + index;
}

void ladle_keys_release(ladle_keys *keys)
{
    if (keys == NULL)
        return;
    ladle_context *context = keys->context;
    ladle_vector_destroy(&keys->list);
    ladle_vector_destroy(&keys->visited);
    ladle_arena_destroy(&keys->arena);
    ladle_free(context, keys, sizeof *keys, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

static bool is_directory_class(ladle_text class_name)
{
    return ladle_text_equals(class_name, "TDirectory") || ladle_text_equals(class_name, "TDirectoryFile");
}

static bool is_table_class(ladle_text class_name)
{
    return ladle_text_equals(class_name, "TTree") || ladle_text_equals(class_name, "TNtuple") ||
           ladle_text_equals(class_name, "TNtupleD") || ladle_text_equals(class_name, "ROOT::RNTuple") ||
           ladle_text_equals(class_name, "ROOT::Experimental::RNTuple");
}

/* Remembers a key list; CORRUPT if it was entered before. */
static ladle_status visit(ladle_keys *keys, const ladle_directory *directory, ladle_error *error)
{
    const int64_t *seen = keys->visited.items;
    for (int64_t i = 0; i < keys->visited.count; i++)
        if (seen[i] == directory->seek_keys)
            return ladle_fail(error, LADLE_CORRUPT, directory->seek_keys, "two directories share one key list");
    int64_t *slot = ladle_vector_push(&keys->visited, error);
    if (slot == NULL)
        return (ladle_status)error->status;
    *slot = directory->seek_keys;
    return LADLE_OK;
}

/* Appends one key. Returns its entry, or NULL. */
static ladle_key_info *append(ladle_keys *keys, const ladle_key *key, const char *prefix, int32_t depth,
                              ladle_error *error)
{
    size_t prefix_nbytes = strlen(prefix);
    char *class_name = ladle_arena_text(&keys->arena, key->class_name.data, key->class_name.nbytes, error);
    char *title = ladle_arena_text(&keys->arena, key->title.data, key->title.nbytes, error);
    char *path = ladle_arena_alloc(&keys->arena, (int64_t)(prefix_nbytes + key->name.nbytes + 2), 1, error);
    if (class_name == NULL || title == NULL || path == NULL)
        return NULL;
    (void)snprintf(path, prefix_nbytes + key->name.nbytes + 2, "%s%s%.*s", prefix, prefix_nbytes == 0 ? "" : "/",
                   (int)key->name.nbytes, key->name.data);
    ladle_key_info *info = ladle_vector_push(&keys->list, error);
    if (info == NULL)
        return NULL;
    info->path = path;
    info->class_name = class_name;
    info->title = title;
    info->cycle = key->cycle;
    info->depth = depth;
    info->offset = key->seek;
    info->nbytes = key->nbytes;
    info->object_nbytes = key->object_nbytes;
    info->is_directory = is_directory_class(key->class_name);
    info->is_table = is_table_class(key->class_name);
    return info;
}

static ladle_status walk(ladle_file *file, ladle_keys *keys, const ladle_directory *directory, const char *prefix,
                         int32_t depth, ladle_error *error);

static ladle_status enter(ladle_file *file, ladle_keys *keys, const ladle_key_info *info, int32_t depth,
                          ladle_error *error)
{
    ladle_object object;
    ladle_status status = ladle_object_read(file, info->offset, info->nbytes, &object, error);
    if (status != LADLE_OK)
        return status;
    ladle_directory directory = {0};
    ladle_cursor c;
    ladle_cursor_init(&c, object.data, (size_t)object.nbytes, object.offset, object.inflated, error);
    ladle_directory_read(&c, &directory);
    status = c.status;
    ladle_object_free(file->context, &object);
    return status == LADLE_OK ? walk(file, keys, &directory, info->path, depth, error) : status;
}

/* Is the file at fault, and not the machine? */
static bool is_damage(ladle_status status)
{
    return status == LADLE_TRUNCATED || status == LADLE_CORRUPT || status == LADLE_CHECKSUM ||
           status == LADLE_UNSUPPORTED;
}

static ladle_status walk(ladle_file *file, ladle_keys *keys, const ladle_directory *directory, const char *prefix,
                         int32_t depth, ladle_error *error)
{
    const ladle_limits *limits = ladle_context_limits(file->context);
    if (directory->seek_keys == 0 || directory->nbytes_keys == 0)
        return LADLE_OK; /* an empty directory that was never written */
    if (depth > limits->max_depth)
        return ladle_fail(error, LADLE_LIMIT, directory->seek_keys, "directories are nested deeper than max_depth, %d",
                          limits->max_depth);
    ladle_status status = visit(keys, directory, error);
    if (status != LADLE_OK)
        return status;
    ladle_object object;
    status = ladle_object_read(file, directory->seek_keys, directory->nbytes_keys, &object, error);
    if (status != LADLE_OK)
        return status;
    keys->arena.ceiling += LADLE_METADATA_RATIO * object.nbytes;
    ladle_cursor c;
    ladle_cursor_init(&c, object.data, (size_t)object.nbytes, object.offset, object.inflated, error);
    int64_t count = ladle_cursor_i32(&c, "number of keys");
    if (ladle_cursor_ok(&c) && (count < 0 || count > (int64_t)ladle_cursor_left(&c) / MIN_KEY_NBYTES))
        ladle_cursor_fail(&c, LADLE_CORRUPT, "a key list of %" PRId64 " bytes declares %" PRId64 " keys", object.nbytes,
                          count);
    if (ladle_cursor_ok(&c) && keys->list.count + count > limits->max_keys)
        ladle_cursor_fail(&c, LADLE_LIMIT, "more keys than max_keys, %d", limits->max_keys);
    for (int64_t i = 0; i < count && ladle_cursor_ok(&c); i++) {
        ladle_key key;
        ladle_key_read(&c, &key);
        if (!ladle_cursor_ok(&c))
            break;
        const ladle_key_info *info = append(keys, &key, prefix, depth, error);
        if (info == NULL)
            status = (ladle_status)error->status;
        else if (info->is_directory) {
            ladle_key_info copy = *info; /* the list may move while it grows */
            status = enter(file, keys, &copy, depth + 1, error);
            if (is_damage(status)) {
                /* One bad directory does not cost the others. */
                if (error->where[0] == '\0')
                    ladle_error_where(error, "", "directory \"%s\"", copy.path);
                if (keys->damage.status == LADLE_OK)
                    keys->damage = *error;
                status = LADLE_OK;
            }
        }
        if (status != LADLE_OK)
            break;
    }
    if (status == LADLE_OK)
        status = c.status;
    ladle_object_free(file->context, &object);
    if (status != LADLE_OK && error->where[0] == '\0')
        ladle_error_where(error, "", "directory \"%s\"", prefix);
    return status;
}

/* The listing; its damage, and `error`, do not name the file yet. */
static ladle_keys *list_keys(ladle_file *file, ladle_error *error)
{
    ladle_keys *keys = ladle_alloc(file->context, sizeof *keys, LADLE_MEMORY_METADATA, error);
    if (keys == NULL)
        return NULL;
    keys->context = file->context;
    ladle_context_retain(file->context);
    ladle_arena_init(&keys->arena, file->context);
    keys->arena.ceiling = LADLE_METADATA_BASE;
    ladle_vector_init(&keys->list, file->context, sizeof(ladle_key_info));
    ladle_vector_init(&keys->visited, file->context, sizeof(int64_t));
    if (walk(file, keys, &file->root, "", 0, error) == LADLE_OK)
        return keys;
    ladle_keys_release(keys);
    return NULL;
}

ladle_keys *ladle_file_keys(ladle_file *file, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    ladle_keys *keys = list_keys(file, error);
    if (keys == NULL)
        ladle_error_where(error, ": ", "%s", ladle_file_path(file));
    else if (keys->damage.status != LADLE_OK)
        ladle_error_where(&keys->damage, ": ", "%s", ladle_file_path(file));
    return keys;
}

/* --- from a path to a table ------------------------------------------------------------------ */

/* Splits "name;2" into the name and its cycle; -1 when there is none. */
static int32_t split_cycle(const char *path, size_t *name_nbytes)
{
    const char *semicolon = strrchr(path, ';');
    if (semicolon != NULL && semicolon[1] != '\0') {
        char *end;
        long cycle = strtol(semicolon + 1, &end, 10);
        if (*end == '\0' && cycle >= 0 && cycle <= INT32_MAX) {
            *name_nbytes = (size_t)(semicolon - path);
            return (int32_t)cycle;
        }
    }
    *name_nbytes = strlen(path);
    return -1;
}

static const ladle_key_info *find_path(const ladle_keys *keys, const char *path)
{
    while (*path == '/')
        path++;
    size_t nbytes;
    int32_t cycle = split_cycle(path, &nbytes);
    const ladle_key_info *best = NULL;
    for (int64_t i = 0; i < keys->list.count; i++) {
        const ladle_key_info *key = ladle_keys_get(keys, i);
        if (strlen(key->path) != nbytes || memcmp(key->path, path, nbytes) != 0)
            continue;
        if (cycle >= 0 ? key->cycle == cycle : best == NULL || key->cycle > best->cycle)
            best = key;
    }
    return best;
}

/* The table meant by an empty path. */
static const ladle_key_info *find_default(const ladle_keys *keys, char *names, size_t size)
{
    const ladle_key_info *only = NULL, *last = NULL;
    size_t used = 0;
    bool several = false;
    names[0] = '\0';
    for (int64_t i = 0; i < keys->list.count; i++) {
        const ladle_key_info *key = ladle_keys_get(keys, i);
        if (!key->is_table)
            continue;
        if (strcmp(key->path, "Events") == 0)
            return find_path(keys, "Events");
        if (last != NULL && strcmp(last->path, key->path) == 0)
            continue; /* an older cycle */
        last = key;
        several = only != NULL;
        only = only == NULL ? key : only;
        int n = snprintf(names + used, size - used, "%s%s", used == 0 ? "" : ", ", key->path);
        used = n < 0 || (size_t)n >= size - used ? size - 1 : used + (size_t)n;
    }
    return several ? NULL : only;
}

static ladle_status find_table(const ladle_keys *keys, const char *path, const ladle_key_info **found,
                               ladle_error *error)
{
    char names[192], hint[224];
    const ladle_key_info *fallback = find_default(keys, names, sizeof names);
    bool by_default = path == NULL || path[0] == '\0';
    *found = by_default ? fallback : find_path(keys, path);
    if (*found == NULL && keys->damage.status != LADLE_OK) {
        *error = keys->damage;
        return (ladle_status)error->status;
    }
    if (*found == NULL && by_default && names[0] != '\0')
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "several tables, name one of: %s", names);
    if (*found == NULL && by_default)
        return ladle_fail(error, LADLE_NOT_FOUND, LADLE_NO_OFFSET, "no table in this file");
    if (*found == NULL) {
        ladle_near near;
        ladle_near_init(&near, path);
        for (int64_t i = 0; i < keys->list.count; i++)
            if (ladle_keys_get(keys, i)->is_table)
                ladle_near_offer(&near, ladle_keys_get(keys, i)->path);
        ladle_near_write(&near, hint, sizeof hint);
        if (hint[0] != '\0')
            return ladle_fail(error, LADLE_NOT_FOUND, LADLE_NO_OFFSET, "no table \"%.100s\"%s", path, hint);
        return ladle_fail(error, LADLE_NOT_FOUND, LADLE_NO_OFFSET, "no table \"%.100s\"; %s%s", path,
                          names[0] == '\0' ? "the file has no table" : "the file has ", names);
    }
    if (!(*found)->is_table)
        return ladle_fail(error, LADLE_INVALID, (*found)->offset, "\"%.100s\" is a %.60s, not a table", path,
                          (*found)->class_name);
    return LADLE_OK;
}

ladle_table *ladle_file_table(ladle_file *file, const char *path, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    ladle_keys *keys = list_keys(file, error);
    const ladle_key_info *key = NULL;
    ladle_table *table = NULL;
    if (keys != NULL && find_table(keys, path, &key, error) == LADLE_OK) {
        bool is_rntuple = strstr(key->class_name, "RNTuple") != NULL;
        table = is_rntuple ? ladle_rntuple_open(file, key, error) : ladle_tree_open(file, key, error);
        if (table == NULL && error->where[0] == '\0')
            ladle_error_where(error, "", "%s", key->path);
        else if (table == NULL)
            ladle_error_where(error, " ", "%s", key->path);
    }
    if (table == NULL)
        ladle_error_where(error, ": ", "%s", ladle_file_path(file));
    ladle_keys_release(keys);
    return table;
}
