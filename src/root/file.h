/* root/file.h: the container: header, keys, records. All of it is big-endian.
 *
 * File header (TFile::Open, TFile::WriteHeader), at 0:
 *   "root"  i32 fVersion  i32 fBEGIN
 *   fVersion < 1000000: i32 fEND, i32 fSeekFree;  else i64, i64      (a negative fVersion is a small one)
 *   i32 fNbytesFree  i32 nfree  i32 fNbytesName  u8 fUnits  i32 fCompress
 *   fSeekInfo as fEND  i32 fNbytesInfo  u16 UUID version  16 bytes UUID
 * Key (TKey::Streamer), in front of each record and in key lists:
 *   i32 fNbytes  i16 fVersion  i32 fObjlen  u32 fDatime  i16 fKeylen  i16 fCycle
 *   fVersion > 1000: i64 fSeekKey, i64 fSeekPdir; else i32, i32
 *   string class, string name, string title
 * Directory (TDirectoryFile::Streamer), the root one at fBEGIN + fNbytesName:
 *   i16 version  u32 created  u32 modified  i32 fNbytesKeys  i32 fNbytesName
 *   version > 1000: i64 fSeekDir, fSeekParent, fSeekKeys; else i32
 */
#ifndef LADLE_ROOT_FILE_H
#define LADLE_ROOT_FILE_H

#include <ladle/root.h>

#include "base/cursor.h"
#include "memory/context.h"

typedef struct ladle_directory {
    int64_t seek_keys; /* of the key list's record */
    int64_t nbytes_keys;
} ladle_directory;

/* Reads the body of a directory at the cursor. */
void ladle_directory_read(ladle_cursor *c, ladle_directory *directory);

struct ladle_file {
    ladle_context *context;
    atomic_int references;
    ladle_source *source;
    int32_t version;
    int64_t begin;
    ladle_directory root;
    char uuid[37];
};

typedef struct ladle_key {
    int64_t position; /* of the key itself in the file */
    int64_t nbytes;   /* of the record, key included */
    int64_t object_nbytes;
    int64_t key_nbytes;
    int64_t seek; /* of the record */
    int32_t cycle;
    ladle_text class_name, name, title;
} ladle_key;

/* Reads a key at the cursor. No size is negative; whether they fit the record is for the caller to check (a basket
 * that was never written has fNbytes 0). */
void ladle_key_read(ladle_cursor *c, ladle_key *key);

/* What is made of metadata (names joined to paths, page tables) may take so much: a few times the bytes that it is
 * made of in honest files, and without a bound where many objects refer to one long name. */
enum { LADLE_METADATA_BASE = 16 << 20, LADLE_METADATA_RATIO = 8 };

/* The object behind a key, decompressed. */
typedef struct ladle_object {
    uint8_t *data;
    int64_t nbytes;
    size_t capacity;
    int64_t key_nbytes; /* object references count from the start of the key */
    int64_t offset;     /* of the record in the file */
    bool inflated;
} ladle_object;

/* Reads the record of `nbytes` bytes at `seek`, kind METADATA. */
ladle_status ladle_object_read(ladle_file *file, int64_t seek, int64_t nbytes, ladle_object *object,
                               ladle_error *error);

/* Decompresses `in`, which lies at `offset`, into a new block of object->nbytes bytes, a number that is checked against
 * it. */
ladle_status ladle_object_inflate(ladle_context *context, const uint8_t *in, int64_t in_nbytes, int64_t offset,
                                  ladle_object *object, ladle_error *error);
void ladle_object_free(ladle_context *context, ladle_object *object);

/* Opens the TTree or RNTuple behind a key (tree.h, rntuple.h). Returns owned. */
ladle_table *ladle_tree_open(ladle_file *file, const ladle_key_info *key, ladle_error *error);
ladle_table *ladle_rntuple_open(ladle_file *file, const ladle_key_info *key, ladle_error *error);

#endif
