/* ladle/root.h: ROOT files: open one, list what is in it, open a table of it.
 *
 *     ladle_file *file = ladle_file_open(context, "nano.root", &error);
 *     ladle_table *table = ladle_file_table(file, "Events", &error);
 *     ladle_file_release(file);                       // the table keeps what it needs
 */
#ifndef LADLE_ROOT_H
#define LADLE_ROOT_H

#include <ladle/io.h>
#include <ladle/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable once open, shareable, counted. */
typedef struct ladle_file ladle_file;

/* One key, wherever it is in the directories. Borrows from its listing. */
typedef struct ladle_key_info {
    const char *path;       /* "dir/Events", without the cycle */
    const char *class_name; /* "TTree", "ROOT::RNTuple", "TH1F", "TDirectory" */
    const char *title;
    int32_t cycle;
    int32_t depth;         /* 0 in the root directory */
    int64_t offset;        /* of its record in the file */
    int64_t nbytes;        /* of its record */
    int64_t object_nbytes; /* of the object, decompressed */
    bool is_directory;
    bool is_table; /* a TTree, a TNtuple or an RNTuple */
} ladle_key_info;

/* A snapshot of the keys. Immutable, shareable. */
typedef struct ladle_keys ladle_keys;

/* Opens a file on disk. Returns owned. Fails with NOT_FOUND, IO, NOT_ROOT, TRUNCATED, CORRUPT ... */
LADLE_API ladle_file *ladle_file_open(ladle_context *context, const char *path, ladle_error *error);

/* Opens any source. Takes `source`. Returns owned. */
LADLE_API ladle_file *ladle_file_open_source(ladle_context *context, ladle_source *source, ladle_error *error);

LADLE_API const char *ladle_file_path(const ladle_file *file); /* as given to open */
LADLE_API const char *ladle_file_uuid(const ladle_file *file); /* 36 characters, as uproot prints it */
LADLE_API int64_t ladle_file_nbytes(const ladle_file *file);   /* size of the source */
LADLE_API int32_t ladle_file_version(const ladle_file *file);  /* ROOT's version, 62400 for 6.24/00 */

/* Lists all keys, directories first entered where they stand, newest cycle first. Returns owned. */
LADLE_API ladle_keys *ladle_file_keys(ladle_file *file, ladle_error *error);
LADLE_API int64_t ladle_keys_count(const ladle_keys *keys);
LADLE_API const ladle_key_info *ladle_keys_get(const ladle_keys *keys, int64_t index); /* NULL outside */

/* What is wrong with the first directory that could not be read, or NULL. Its keys are not listed; all the others
 * are. Borrows from the listing. */
LADLE_API const ladle_error *ladle_keys_damage(const ladle_keys *keys);
LADLE_API void ladle_keys_release(ladle_keys *keys);

/* Opens a table by path: "Events", "dir/tree", "tree;2". NULL or "": "Events" if there is one, else
 * the only table; several are an error that names them. Returns owned; the table retains the file.
 * Fails with NOT_FOUND (near names in the message), UNSUPPORTED, CORRUPT ... */
LADLE_API ladle_table *ladle_file_table(ladle_file *file, const char *path, ladle_error *error);

LADLE_API void ladle_file_retain(ladle_file *file);
LADLE_API void ladle_file_release(ladle_file *file);

#ifdef __cplusplus
}
#endif
#endif
