/* RNTuple's header and footer: fields, columns, aliases and cluster groups, checked for what can be relied on later.
 *
 * Header:
 *   flags, strings name, description, writer, schema
 * Footer:
 *   flags, u64 checksum of the header, record { schema }, list of cluster groups
 * Schema:
 *   lists of fields, columns, alias columns and extra type information, each item in a frame
 * Field:
 *   u32 version, u32 type version, u32 parent (its own number: at the top), u16 role,
 *   u16 flags (1 repetitive, 2 projected, 4 type checksum), strings name, type, alias, description;
 *   if repetitive u64 size, if projected u32 source
 * Column:
 *   u16 element, u16 bits, u32 field, u16 flags (1 deferred, 2 range), u16 representation;
 *   if deferred i64 first element, with a range f64 minimum, f64 maximum
 * Alias column:
 *   u32 physical column, u32 field
 * Cluster group:
 *   u64 first entry, u64 entries, u32 clusters, u64 length and locator of the page list
 */
#include "root/rntuple.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { FIELD_REPETITIVE = 1, FIELD_PROJECTED = 2, COLUMN_DEFERRED = 1, COLUMN_RANGE = 2 };

static ladle_field *field_at(const ladle_schema *schema, int64_t index)
{
    return (ladle_field *)schema->fields.items + index;
}

static ladle_physical *physical_at(const ladle_schema *schema, int64_t index)
{
    return (ladle_physical *)schema->physicals.items + index;
}

/* A number of the file that counts or measures: below 2^63. */
static int64_t size_at(ladle_cursor *c, const char *what)
{
    uint64_t value = ladle_cursor_le64(c, what);
    if (value > INT64_MAX)
        ladle_cursor_fail(c, LADLE_CORRUPT, "%s is %" PRIu64, what, value);
    return value > INT64_MAX ? 0 : (int64_t)value;
}

/* Keeps an item that was read whole. */
static void keep(ladle_vector *vector, const void *item, ladle_cursor *c, ladle_error *error)
{
    void *slot = ladle_cursor_ok(c) ? ladle_vector_push(vector, error) : NULL;
    if (slot != NULL)
        memcpy(slot, item, vector->item_size);
    else if (ladle_cursor_ok(c))
        c->status = (ladle_status)error->status;
}

/* --- records ------------------------------------------------------------------------------------- */

static void read_field(ladle_schema *schema, ladle_cursor *c, ladle_error *error)
{
    ladle_frame frame = ladle_frame_enter(c, false, "field");
    ladle_cursor_skip(c, 8, "versions of a field");
    int64_t number = schema->fields.count;
    ladle_field field = {.source = -1, .first_child = -1, .next_sibling = -1};
    uint32_t parent = ladle_cursor_le32(c, "parent of a field");
    field.role = ladle_cursor_le16(c, "role of a field");
    uint16_t flags = ladle_cursor_le16(c, "flags of a field");
    field.name = ladle_cursor_le_string(c, "name of a field");
    field.type = ladle_cursor_le_string(c, "type of a field");
    (void)ladle_cursor_le_string(c, "type alias of a field");
    field.description = ladle_cursor_le_string(c, "description of a field");
    field.repetitive = (flags & FIELD_REPETITIVE) != 0;
    if (field.repetitive)
        field.repetition = size_at(c, "size of an array");
    if ((flags & FIELD_PROJECTED) != 0) {
        uint32_t source = ladle_cursor_le32(c, "source of a projected field");
        field.source = source > INT32_MAX ? INT32_MAX : (int32_t)source; /* checked when its column is made */
    }
    /* Parents come first: so there are no cycles. */
    if (ladle_cursor_ok(c) && parent > number)
        ladle_cursor_fail(c, LADLE_CORRUPT, "field %" PRId64 " has the parent %u, which is behind it", number, parent);
    field.parent = parent == number ? -1 : (int32_t)parent;
    ladle_frame_leave(c, &frame, "field");
    keep(&schema->fields, &field, c, error);
}

static void read_column(ladle_schema *schema, ladle_cursor *c, ladle_error *error)
{
    ladle_frame frame = ladle_frame_enter(c, false, "column");
    ladle_physical column = {.stream = -1, .encoding = {.minimum = NAN, .maximum = NAN}}; /* NaN: no range is given */
    column.encoding.element = ladle_cursor_le16(c, "element of a column");
    column.encoding.bits = ladle_cursor_le16(c, "bits of a column");
    uint32_t field = ladle_cursor_le32(c, "field of a column");
    uint16_t flags = ladle_cursor_le16(c, "flags of a column");
    column.representation = ladle_cursor_le16(c, "representation of a column");
    if ((flags & COLUMN_DEFERRED) != 0) {
        (void)ladle_cursor_le64(c, "first element of a column");
        column.is_deferred = true;
    }
    if ((flags & COLUMN_RANGE) != 0) {
        uint64_t range[2] = {ladle_cursor_le64(c, "minimum of a column"), ladle_cursor_le64(c, "maximum of a column")};
        memcpy(&column.encoding.minimum, &range[0], sizeof range[0]);
        memcpy(&column.encoding.maximum, &range[1], sizeof range[1]);
    }
    if (ladle_cursor_ok(c) && field >= schema->fields.count)
        ladle_cursor_fail(c, LADLE_CORRUPT, "column %" PRId64 " belongs to field %u of %" PRId64,
                          schema->physicals.count, field, schema->fields.count);
    ladle_frame_leave(c, &frame, "column");
    column.field = (int32_t)field;
    column.is_known = ladle_encoding_is_valid(&column.encoding);
    keep(&schema->physicals, &column, c, error);
}

static void read_alias(ladle_schema *schema, ladle_cursor *c, ladle_error *error)
{
    ladle_frame frame = ladle_frame_enter(c, false, "alias column");
    uint32_t physical = ladle_cursor_le32(c, "column of an alias");
    uint32_t field = ladle_cursor_le32(c, "field of an alias");
    if (ladle_cursor_ok(c) && field >= schema->fields.count)
        ladle_cursor_fail(c, LADLE_CORRUPT, "an alias column belongs to field %u of %" PRId64, field,
                          schema->fields.count);
    ladle_frame_leave(c, &frame, "alias column");
    ladle_alias alias = {physical > INT32_MAX ? -1 : (int32_t)physical, (int32_t)field};
    keep(&schema->aliases, &alias, c, error);
}

static void read_group(ladle_schema *schema, ladle_cursor *c, ladle_error *error)
{
    ladle_frame frame = ladle_frame_enter(c, false, "cluster group");
    ladle_cluster_group group = {0};
    group.first_entry = size_at(c, "first entry of a cluster group");
    group.n_entries = size_at(c, "entries of a cluster group");
    group.n_clusters = ladle_cursor_le32(c, "clusters of a cluster group");
    group.length = size_at(c, "length of a page list");
    group.locator = ladle_locator_read(c);
    ladle_frame_leave(c, &frame, "cluster group");
    keep(&schema->groups, &group, c, error);
}

static void read_list(ladle_schema *schema, ladle_cursor *c, const char *what,
                      void (*read)(ladle_schema *schema, ladle_cursor *c, ladle_error *error), ladle_error *error)
{
    int64_t limit = ladle_context_limits(schema->context)->max_columns;
    ladle_frame list = ladle_frame_enter(c, true, what);
    if (ladle_cursor_ok(c) && list.n_items > limit)
        ladle_cursor_fail(c, LADLE_LIMIT, "%s has %" PRId64 " items, more than max_columns, %" PRId64, what,
                          list.n_items, limit);
    for (int64_t i = 0; i < list.n_items && ladle_cursor_ok(c); i++)
        read(schema, c, error);
    ladle_frame_leave(c, &list, what);
}

static void read_schema(ladle_schema *schema, ladle_cursor *c, ladle_error *error)
{
    read_list(schema, c, "list of fields", read_field, error);
    read_list(schema, c, "list of columns", read_column, error);
    read_list(schema, c, "list of alias columns", read_alias, error);
    ladle_frame extra = ladle_frame_enter(c, true, "list of type information");
    ladle_frame_leave(c, &extra, "list of type information");
}

/* --- how they hang together ----------------------------------------------------------------------- */

/* Children of each field, in order. */
static void connect_fields(ladle_schema *schema)
{
    for (int64_t i = schema->fields.count - 1; i >= 0; i--) {
        ladle_field *field = field_at(schema, i);
        if (field->parent < 0)
            continue;
        ladle_field *parent = field_at(schema, field->parent);
        field->next_sibling = parent->first_child;
        parent->first_child = (int32_t)i;
    }
    for (int64_t i = 0; i < schema->fields.count; i++) {
        ladle_field *field = field_at(schema, i);
        if (field->parent >= 0)
            field->ordinal = field_at(schema, field->parent)->n_children++;
    }
}

/* The field's columns go to their place; each representation begins behind the one before. */
static ladle_status attach(ladle_schema *schema, int64_t index, ladle_error *error)
{
    const ladle_physical *column = physical_at(schema, index);
    ladle_field *field = field_at(schema, column->field);
    int32_t *columns = schema->field_columns.items;
    int64_t previous = field->n_columns == 0 ? -1 : columns[field->first_column + field->n_columns - 1];
    int expected = previous < 0 ? 0 : physical_at(schema, previous)->representation;
    if (column->representation != expected && (previous < 0 || column->representation != expected + 1))
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                          "column %" PRId64 " is of representation %u of its field, expected %d", index,
                          column->representation, expected);
    columns[field->first_column + field->n_columns++] = (int32_t)index;
    return LADLE_OK;
}

/* A field has columns of its own, by representation, or aliases where it is projected: never both. */
static ladle_status connect_columns(ladle_schema *schema, ladle_error *error)
{
    int64_t n_physicals = schema->physicals.count;
    const ladle_alias *aliases = schema->aliases.items;
    for (int64_t i = 0; i < n_physicals; i++) {
        ladle_field *field = field_at(schema, physical_at(schema, i)->field);
        if (field->source >= 0)
            return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "column %" PRId64 " belongs to a projected field",
                              i);
        field->n_columns++;
    }
    for (int64_t i = 0; i < schema->aliases.count; i++) {
        ladle_field *field = field_at(schema, aliases[i].field);
        if (field->source < 0 || aliases[i].physical < 0 || aliases[i].physical >= n_physicals)
            return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                              "alias %" PRId64 " of column %d for field %d: no such column, or no projected field", i,
                              aliases[i].physical, aliases[i].field);
        field->n_columns++;
    }
    int64_t at = 0;
    for (int64_t i = 0; i < schema->fields.count; i++) {
        ladle_field *field = field_at(schema, i);
        field->first_column = at;
        at += field->n_columns;
        field->n_columns = 0;
    }
    for (int64_t i = 0; i < at; i++)
        if (ladle_vector_push(&schema->field_columns, error) == NULL)
            return (ladle_status)error->status;
    for (int64_t i = 0; i < n_physicals; i++)
        if (attach(schema, i, error) != LADLE_OK)
            return (ladle_status)error->status;
    for (int64_t i = 0; i < schema->aliases.count; i++) {
        ladle_field *field = field_at(schema, aliases[i].field);
        ((int32_t *)schema->field_columns.items)[field->first_column + field->n_columns++] = aliases[i].physical;
        physical_at(schema, aliases[i].physical)->is_aliased = true;
    }
    return LADLE_OK;
}

/* Cluster groups follow each other without a gap. */
static ladle_status check_groups(const ladle_schema *schema, ladle_error *error)
{
    int64_t entry = 0, cluster = 0;
    ladle_cluster_group *groups = schema->groups.items;
    for (int64_t i = 0; i < schema->groups.count; i++) {
        ladle_cluster_group *group = &groups[i];
        if (group->first_entry != entry && group->n_clusters > 0)
            return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                              "cluster group %" PRId64 " begins at entry %" PRId64 ", the one before ends at %" PRId64,
                              i, group->first_entry, entry);
        if (group->n_clusters == 0 && group->n_entries != 0)
            return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                              "cluster group %" PRId64 " has %" PRId64 " entries and no cluster", i, group->n_entries);
        group->first_entry = entry;
        group->first_cluster = cluster;
        cluster += group->n_clusters;
        if (!ladle_add(entry, group->n_entries, &entry))
            return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "more than 2^63 entries");
    }
    return LADLE_OK;
}

ladle_status ladle_schema_parse(ladle_schema *schema, ladle_context *context, ladle_cursor *header,
                                ladle_cursor *footer, uint64_t header_checksum, ladle_error *error)
{
    schema->context = context;
    ladle_vector_init(&schema->fields, context, sizeof(ladle_field));
    ladle_vector_init(&schema->physicals, context, sizeof(ladle_physical));
    ladle_vector_init(&schema->aliases, context, sizeof(ladle_alias));
    ladle_vector_init(&schema->field_columns, context, sizeof(int32_t));
    ladle_vector_init(&schema->groups, context, sizeof(ladle_cluster_group));
    ladle_feature_flags_read(header);
    (void)ladle_cursor_le_string(header, "name");
    schema->description = ladle_cursor_le_string(header, "description");
    (void)ladle_cursor_le_string(header, "writer");
    read_schema(schema, header, error);
    if (!ladle_cursor_ok(header))
        return header->status;
    ladle_feature_flags_read(footer);
    uint64_t checksum = ladle_cursor_le64(footer, "checksum of the header");
    if (ladle_cursor_ok(footer) && checksum != header_checksum)
        ladle_cursor_fail(footer, LADLE_CORRUPT,
                          "the footer belongs to a header with XXH3 %016" PRIx64 ", this one has %016" PRIx64, checksum,
                          header_checksum);
    ladle_frame extension = ladle_frame_enter(footer, false, "schema extension");
    if (ladle_cursor_ok(footer) && extension.end > ladle_cursor_position(footer))
        read_schema(schema, footer, error);
    ladle_frame_leave(footer, &extension, "schema extension");
    read_list(schema, footer, "list of cluster groups", read_group, error);
    if (!ladle_cursor_ok(footer))
        return footer->status;
    connect_fields(schema);
    ladle_status status = connect_columns(schema, error);
    return status == LADLE_OK ? check_groups(schema, error) : status;
}

void ladle_schema_destroy(ladle_schema *schema)
{
    if (schema->context == NULL)
        return;
    ladle_vector_destroy(&schema->fields);
    ladle_vector_destroy(&schema->physicals);
    ladle_vector_destroy(&schema->aliases);
    ladle_vector_destroy(&schema->field_columns);
    ladle_vector_destroy(&schema->groups);
}
