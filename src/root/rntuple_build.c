/* RNTuple's fields -> streams and columns: what the user sees, and which pages it comes from. */
#include "root/rntuple.h"

#include "base/checked.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MEMBERS = 64 };

/* Where the items of a field lie. */
typedef struct place {
    int32_t stream; /* of the lists or the switch around it; -1: entries */
    int32_t alternative;
    int64_t repeat; /* elements of the field in an item of the stream; 0: too many, or an array of none */
} place;

/* A member of a record, those of its base classes included. */
typedef struct member {
    ladle_text name, base; /* base: class that it is inherited from, or empty */
    int32_t field;
    bool is_ambiguous; /* another member has that name */
} member;

typedef struct builder {
    ladle_rntuple *table;
    const ladle_schema *schema;
    ladle_vector columns;   /* of ladle_column */
    ladle_vector layouts;   /* of ladle_layout */
    ladle_vector members;   /* of member: a stack */
    place *places;          /* of each field */
    int32_t *tops;          /* of each field: the one at the top above it */
    int32_t *n_hidden;      /* of each field at the top: its columns that no projection shows */
    int32_t *cardinalities; /* of each stream: the column with its lengths, or -1 */
    ladle_error *error;
} builder;

/* The way from an entry to a field. */
typedef struct path {
    const char *field; /* name at the top */
    ladle_member members[MAX_MEMBERS];
    int64_t dims[LADLE_MAX_DIMS];
    int32_t streams[LADLE_MAX_BUFFERS];
    int n_members, n_dims, n_streams, depth;
    place place;
    const ladle_field *named; /* that the last name belongs to */
    const char *reason;       /* why nothing below can be read */
    uint8_t reason_status;
} path;

static const ladle_field *field_at(const builder *b, int64_t index)
{
    return (const ladle_field *)b->schema->fields.items + index;
}

static bool begins_with(ladle_text text, const char *prefix)
{
    size_t nbytes = strlen(prefix);
    return text.nbytes >= nbytes && memcmp(text.data, prefix, nbytes) == 0;
}

static char *copy(builder *b, ladle_text text)
{
    return ladle_arena_text(&b->table->base.arena, text.data, text.nbytes, b->error);
}

/* --- streams ------------------------------------------------------------------------------------- */

static bool is_index(const ladle_physical *p)
{
    uint16_t element = p->encoding.element;
    return p->is_known && (element == LADLE_ELEMENT_INDEX32 || element == LADLE_ELEMENT_INDEX64 ||
                           element == LADLE_ELEMENT_SPLIT_INDEX32 || element == LADLE_ELEMENT_SPLIT_INDEX64);
}

/* One stream of a field: column `position` of each of its representations. */
static ladle_status add_stream(builder *b, const ladle_field *field, int64_t position, int64_t per_representation)
{
    ladle_rntuple *table = b->table;
    const int32_t *columns = (const int32_t *)b->schema->field_columns.items + field->first_column;
    int32_t n = (int32_t)(field->n_columns / per_representation);
    int32_t *physicals = ladle_arena_alloc(&table->base.arena, n, sizeof *physicals, b->error);
    if (physicals == NULL)
        return (ladle_status)b->error->status;
    ladle_stream *stream = &table->streams[table->n_streams];
    *stream =
        (ladle_stream){.physicals = physicals, .n_physicals = n, .parent = -1, .repeat = 1, .beside = -1, .owner = -1};
    stream->is_lists = position == 0 && field->role != LADLE_FIELD_VARIANT;
    stream->is_switch = position == 0 && field->role == LADLE_FIELD_VARIANT;
    for (int32_t i = 0; i < n; i++) {
        physicals[i] = columns[i * per_representation + position];
        ladle_physical *physical = &table->physicals[physicals[i]];
        physical->stream = table->n_streams;
        stream->is_lists = stream->is_lists && is_index(physical);
        stream->is_switch =
            stream->is_switch && physical->is_known && physical->encoding.element == LADLE_ELEMENT_SWITCH;
    }
    if (stream->is_lists)
        stream->n_alternatives = 1;
    else if (stream->is_switch && field->n_children <= LADLE_MAX_ALTERNATIVES)
        stream->n_alternatives = (uint8_t)field->n_children;
    stream->contents =
        ladle_arena_alloc(&table->base.arena, stream->n_alternatives, sizeof *stream->contents, b->error);
    if (stream->contents == NULL)
        return (ladle_status)b->error->status;
    for (int i = 0; i < stream->n_alternatives; i++)
        stream->contents[i] = -1;
    table->n_streams++;
    return LADLE_OK;
}

/* Have all representations of a field the same number of columns? Returns it, or 0. */
static int64_t columns_per_representation(const builder *b, const ladle_field *field)
{
    const int32_t *columns = (const int32_t *)b->schema->field_columns.items + field->first_column;
    const ladle_physical *physicals = b->table->physicals;
    int64_t n = physicals[columns[field->n_columns - 1]].representation + 1;
    if (field->n_columns % n != 0)
        return 0;
    int64_t each = field->n_columns / n;
    for (int64_t i = 0; i < field->n_columns; i++)
        if (physicals[columns[i]].representation != i / each)
            return 0;
    return each;
}

/* Where the items of a field are, its parents being known. */
static place find_place(const builder *b, const ladle_field *field)
{
    place found = {-1, 0, 1};
    if (field->parent >= 0) {
        const ladle_field *parent = field_at(b, field->parent);
        const int32_t *columns = (const int32_t *)b->schema->field_columns.items + parent->first_column;
        bool holds = parent->role == LADLE_FIELD_COLLECTION || parent->role == LADLE_FIELD_VARIANT;
        if (holds && parent->n_columns > 0) {
            found.stream = b->table->physicals[columns[0]].stream;
            found.alternative = parent->role == LADLE_FIELD_VARIANT ? field->ordinal : 0;
            found.repeat = found.stream < 0 ? 0 : 1;
        } else {
            found = b->places[field->parent];
        }
    }
    if (field->repetitive && !ladle_multiply(found.repeat, field->repetition, &found.repeat))
        found.repeat = 0;
    return found;
}

/* What lies in lists, or in an alternative, tells how many items these have. */
static void connect_stream(builder *b, int32_t index)
{
    ladle_stream *stream = &b->table->streams[index];
    if (stream->parent < 0 || stream->repeat == 0)
        return;
    const ladle_stream *parent = &b->table->streams[stream->parent];
    if (stream->alternative >= parent->n_alternatives)
        return;
    stream->beside = parent->contents[stream->alternative];
    parent->contents[stream->alternative] = index;
}

static ladle_status build_streams(builder *b)
{
    ladle_rntuple *table = b->table;
    int64_t n_fields = b->schema->fields.count;
    for (int64_t i = 0; i < n_fields; i++) {
        const ladle_field *field = field_at(b, i);
        b->tops[i] = field->parent < 0 ? (int32_t)i : b->tops[field->parent];
        b->places[i] = find_place(b, field);
        if (field->source >= 0 || field->n_columns == 0)
            continue;
        int64_t each = columns_per_representation(b, field);
        int32_t first = table->n_streams;
        for (int64_t position = 0; position < each; position++) {
            if (add_stream(b, field, position, each) != LADLE_OK)
                return (ladle_status)b->error->status;
            ladle_stream *stream = &table->streams[table->n_streams - 1];
            if (position == 0) {
                stream->parent = b->places[i].stream;
                stream->alternative = b->places[i].alternative;
                stream->repeat = b->places[i].repeat;
            } else {
                stream->parent = first;
            }
            connect_stream(b, table->n_streams - 1);
        }
    }
    for (int64_t i = 0; i < table->n_physicals; i++)
        if (!table->physicals[i].is_aliased)
            b->n_hidden[b->tops[table->physicals[i].field]]++;
    return LADLE_OK;
}

/* --- columns ------------------------------------------------------------------------------------- */

static void refuse(path *p, uint8_t status, const char *reason)
{
    if (p->reason == NULL) {
        p->reason = reason;
        p->reason_status = status;
    }
}

static void push_dim(path *p, int64_t size)
{
    if (p->n_dims == LADLE_MAX_DIMS)
        refuse(p, LADLE_UNSUPPORTED, "nested more than 8 dimensions deep");
    else
        p->dims[p->n_dims++] = size;
}

/* Goes into lists or a switch, which must lie where the path has come to. */
static void enter_stream(builder *b, path *p, int32_t index, int64_t dim)
{
    const ladle_stream *stream = &b->table->streams[index];
    if (stream->parent != p->place.stream || stream->repeat != p->place.repeat ||
        stream->alternative != p->place.alternative)
        refuse(p, LADLE_CORRUPT, "it does not lie in the lists that its field is in");
    if (stream->repeat == 0)
        refuse(p, LADLE_UNSUPPORTED, "an array of no elements, or of more than 2^63");
    push_dim(p, dim);
    int n = dim == LADLE_VARIANT ? 2 : 1;
    for (int i = 0; i < n && p->n_streams < LADLE_MAX_BUFFERS - 1; i++)
        p->streams[p->n_streams++] = index;
    p->place = (place){index, 0, 1};
}

/* The streams of a field: its own, or those that it shows. At most `most`; -1 if there are more. */
static int field_streams(const builder *b, const ladle_field *field, int32_t *streams, int most)
{
    const int32_t *columns = (const int32_t *)b->schema->field_columns.items + field->first_column;
    int n = 0;
    for (int64_t i = 0; i < field->n_columns; i++) {
        int32_t stream = b->table->physicals[columns[i]].stream;
        bool seen = stream < 0;
        for (int j = 0; j < n; j++)
            seen = seen || streams[j] == stream;
        if (seen)
            continue;
        if (n == most)
            return -1;
        streams[n++] = stream;
    }
    return n;
}

/* dtypes of C++'s names. `char` is a byte of text, as in uproot. */
static ladle_dtype named_dtype(ladle_text type)
{
    static const struct {
        const char *name;
        ladle_dtype dtype;
    } names[] = {
        {"bool", LADLE_DTYPE_BOOL},         {"char", LADLE_DTYPE_U8},           {"std::byte", LADLE_DTYPE_U8},
        {"std::int8_t", LADLE_DTYPE_I8},    {"std::uint8_t", LADLE_DTYPE_U8},   {"std::int16_t", LADLE_DTYPE_I16},
        {"std::uint16_t", LADLE_DTYPE_U16}, {"std::int32_t", LADLE_DTYPE_I32},  {"std::uint32_t", LADLE_DTYPE_U32},
        {"std::int64_t", LADLE_DTYPE_I64},  {"std::uint64_t", LADLE_DTYPE_U64}, {"float", LADLE_DTYPE_F32},
        {"double", LADLE_DTYPE_F64},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (ladle_text_equals(type, names[i].name))
            return names[i].dtype;
    return LADLE_DTYPE_NONE;
}

/* dtype of a leaf, which each of its representations must be able to give. */
static ladle_dtype leaf_dtype(builder *b, path *p, const ladle_field *field, int32_t index)
{
    const ladle_rntuple *table = b->table;
    const ladle_stream *stream = &table->streams[index];
    ladle_dtype dtype = named_dtype(field->type);
    for (int32_t i = 0; i < stream->n_physicals; i++) {
        const ladle_physical *physical = &table->physicals[stream->physicals[i]];
        if (dtype == LADLE_DTYPE_NONE)
            dtype = ladle_element_dtype(physical->encoding.element);
        if (!physical->is_known)
            refuse(p, LADLE_UNSUPPORTED, "stored in a way that this version does not know");
        else if (dtype == LADLE_DTYPE_NONE || !ladle_element_converts(physical->encoding.element, dtype))
            refuse(p, LADLE_UNSUPPORTED, "stored in a way that does not belong to its type");
    }
    return dtype;
}

static char *join_name(builder *b, const path *p)
{
    size_t size = strlen(p->field) + 1;
    for (int i = 0; i < p->n_members; i++)
        size += strlen(p->members[i].name) + 1;
    char *name = ladle_arena_alloc(&b->table->base.arena, (int64_t)size, 1, b->error);
    if (name == NULL)
        return NULL;
    size_t used = (size_t)snprintf(name, size, "%s", p->field);
    for (int i = 0; i < p->n_members; i++)
        used += (size_t)snprintf(name + used, size - used, ".%s", p->members[i].name);
    return name;
}

/* Adds the column at the end of the path. dtype NONE: refused. */
static ladle_status add_column(builder *b, const path *p, ladle_dtype dtype, int32_t stream, bool is_string,
                               bool is_cardinality)
{
    ladle_arena *arena = &b->table->base.arena;
    ladle_column *column = ladle_vector_push(&b->columns, b->error);
    ladle_layout *layout = column == NULL ? NULL : ladle_vector_push(&b->layouts, b->error);
    if (layout == NULL)
        return (ladle_status)b->error->status;
    bool readable = p->reason == NULL;
    column->name = p->n_members == 0 ? p->field : join_name(b, p);
    column->title = copy(b, p->named->description);
    column->type_name = copy(b, p->named->type);
    column->field = p->field;
    column->n_entries = b->table->base.n_entries;
    column->inner = 1;
    column->counter = -1;
    column->reason = p->reason;
    column->reason_status = p->reason_status;
    if (column->name == NULL || column->title == NULL || column->type_name == NULL)
        return (ladle_status)b->error->status;
    if (p->n_members > 0) {
        ladle_member *members = ladle_arena_alloc(arena, p->n_members, sizeof *members, b->error);
        if (members == NULL)
            return (ladle_status)b->error->status;
        memcpy(members, p->members, (size_t)p->n_members * sizeof *members);
        column->members = members;
        column->n_members = (uint8_t)p->n_members;
    }
    int64_t *dims = ladle_arena_alloc(arena, p->n_dims, sizeof *dims, b->error);
    int32_t *streams = ladle_arena_alloc(arena, p->n_streams + 1, sizeof *streams, b->error);
    if (dims == NULL || streams == NULL)
        return (ladle_status)b->error->status;
    memcpy(dims, p->dims, (size_t)p->n_dims * sizeof *dims);
    memcpy(streams, p->streams, (size_t)p->n_streams * sizeof *streams);
    streams[p->n_streams] = stream;
    layout->streams = streams;
    layout->is_cardinality = is_cardinality;
    column->dims = dims;
    if (!readable)
        return LADLE_OK;
    column->dtype = (uint8_t)dtype;
    column->n_dims = (uint8_t)p->n_dims;
    column->n_buffers = (uint8_t)(p->n_streams + 1);
    column->is_string = is_string;
    column->lists = p->n_streams > 0 ? LADLE_LISTS_STORED : LADLE_LISTS_NONE;
    if (is_cardinality && p->n_dims == 0 && b->cardinalities[stream] < 0)
        b->cardinalities[stream] = (int32_t)b->columns.count - 1;
    return LADLE_OK;
}

static ladle_status add_refused(builder *b, path *p, uint8_t status, const char *reason)
{
    refuse(p, status, reason);
    return add_column(b, p, LADLE_DTYPE_NONE, -1, false, false);
}

static ladle_status add_leaf(builder *b, const ladle_field *field, path *p, const int32_t *streams, int n)
{
    const ladle_stream *first = &b->table->streams[streams[0]];
    ladle_dtype dtype = LADLE_DTYPE_NONE;
    if (n == 2) {
        if (!first->is_lists || b->table->streams[streams[1]].parent != streams[0])
            return add_refused(b, p, LADLE_UNSUPPORTED, "two columns that are not a text");
        enter_stream(b, p, streams[0], LADLE_VAR);
        dtype = leaf_dtype(b, p, &(ladle_field){.type = {"char", 4}}, streams[1]);
        return add_column(b, p, dtype, streams[1], true, false);
    }
    if (first->parent != p->place.stream || first->repeat != p->place.repeat ||
        first->alternative != p->place.alternative)
        refuse(p, LADLE_CORRUPT, "it does not lie in the lists that its field is in");
    if (first->repeat == 0)
        refuse(p, LADLE_UNSUPPORTED, "an array of no elements, or of more than 2^63");
    bool is_cardinality = begins_with(field->type, "ROOT::RNTupleCardinality<");
    if (!is_cardinality)
        dtype = leaf_dtype(b, p, field, streams[0]);
    else if (first->is_lists)
        dtype = begins_with(field->type, "ROOT::RNTupleCardinality<std::uint64_t") ? LADLE_DTYPE_U64 : LADLE_DTYPE_U32;
    else
        refuse(p, LADLE_CORRUPT, "the cardinality of what is no collection");
    return add_column(b, p, dtype, streams[0], false, is_cardinality);
}

/* --- fields ---------------------------------------------------------------------------------------- */

static ladle_status walk(builder *b, const ladle_field *field, const path *outer);

static int by_name(const void *a, const void *b)
{
    const member *const *x = a, *const *y = b;
    size_t nbytes = (*x)->name.nbytes < (*y)->name.nbytes ? (*x)->name.nbytes : (*y)->name.nbytes;
    int order = memcmp((*x)->name.data, (*y)->name.data, nbytes);
    return order != 0 ? order : ((*x)->name.nbytes > (*y)->name.nbytes) - ((*x)->name.nbytes < (*y)->name.nbytes);
}

/* Pushes the members of a record, those of base classes (":_0", ":_1", ...) in their place. */
static ladle_status collect_members(builder *b, const ladle_field *record, ladle_text base, int depth, bool *has_base)
{
    if (depth > MAX_MEMBERS)
        return LADLE_OK; /* the walk refuses what is so deep */
    for (int32_t i = record->first_child; i >= 0; i = field_at(b, i)->next_sibling) {
        const ladle_field *child = field_at(b, i);
        if (child->role == LADLE_FIELD_RECORD && begins_with(child->name, ":_")) {
            *has_base = true;
            if (collect_members(b, child, child->type, depth + 1, has_base) != LADLE_OK)
                return (ladle_status)b->error->status;
            continue;
        }
        member *m = ladle_vector_push(&b->members, b->error);
        if (m == NULL)
            return (ladle_status)b->error->status;
        *m = (member){.name = child->name, .base = base, .field = i};
    }
    return LADLE_OK;
}

static ladle_status mark_ambiguous(builder *b, int64_t begin)
{
    int64_t n = b->members.count - begin;
    member *members = (member *)b->members.items + begin;
    size_t size = (size_t)n * sizeof(member *) + 1;
    member **sorted = ladle_alloc(b->table->base.context, size, LADLE_MEMORY_METADATA, b->error);
    if (sorted == NULL)
        return (ladle_status)b->error->status;
    for (int64_t i = 0; i < n; i++)
        sorted[i] = &members[i];
    if (n > 0)
        qsort(sorted, (size_t)n, sizeof *sorted, by_name);
    for (int64_t i = 0; i + 1 < n; i++)
        if (by_name(&sorted[i], &sorted[i + 1]) == 0)
            sorted[i]->is_ambiguous = sorted[i + 1]->is_ambiguous = true;
    ladle_free(b->table->base.context, sorted, size, LADLE_MEMORY_METADATA);
    return LADLE_OK;
}

/* Goes on with a member: "pt", or "Base::pt" where the class has a "pt" too. */
static ladle_status walk_member(builder *b, const path *p, const member *m)
{
    path inner = *p;
    inner.named = field_at(b, m->field);
    if (inner.n_members == MAX_MEMBERS)
        return add_refused(b, &inner, LADLE_UNSUPPORTED, "records nested more than 64 deep");
    const char *name = copy(b, m->name);
    if (name != NULL && m->is_ambiguous && m->base.nbytes > 0) {
        size_t size = m->base.nbytes + m->name.nbytes + 3;
        char *full = ladle_arena_alloc(&b->table->base.arena, (int64_t)size, 1, b->error);
        if (full != NULL)
            (void)snprintf(full, size, "%.*s::%s", (int)m->base.nbytes, m->base.data, name);
        name = full;
    }
    if (name == NULL)
        return (ladle_status)b->error->status;
    inner.members[inner.n_members++] = (ladle_member){inner.n_dims, name};
    return walk(b, inner.named, &inner);
}

static ladle_status walk_record(builder *b, const ladle_field *field, path *p)
{
    int64_t begin = b->members.count, end;
    bool has_base = false;
    ladle_status status = collect_members(b, field, (ladle_text){"", 0}, p->depth, &has_base);
    if (status == LADLE_OK && has_base)
        status = mark_ambiguous(b, begin);
    end = b->members.count;
    if (status == LADLE_OK && begin == end)
        status = add_refused(b, p, LADLE_UNSUPPORTED, "a record without members holds no values");
    for (int64_t i = begin; i < end && status == LADLE_OK; i++) {
        member m = ((const member *)b->members.items)[i]; /* the stack may move */
        status = walk_member(b, p, &m);
    }
    b->members.count = begin;
    return status;
}

/* The alternatives of a variant are all read or none is. */
static ladle_status walk_variant(builder *b, const ladle_field *field, path *p, int32_t stream)
{
    int64_t begin = b->columns.count;
    if (b->table->streams[stream].n_alternatives == 0)
        return add_refused(b, p, LADLE_UNSUPPORTED, "a variant of no alternatives, or of more than 125");
    enter_stream(b, p, stream, LADLE_VARIANT);
    ladle_status status = LADLE_OK;
    for (int32_t i = field->first_child; i >= 0 && status == LADLE_OK; i = field_at(b, i)->next_sibling) {
        const ladle_field *child = field_at(b, i);
        p->place.alternative = child->ordinal;
        char name[16]; /* by its place, whatever the file calls it */
        int n = snprintf(name, sizeof name, "_%d", (int)child->ordinal);
        member m = {.name = {name, (size_t)n}, .field = i};
        status = walk_member(b, p, &m);
    }
    ladle_column *columns = b->columns.items;
    const ladle_column *bad = NULL;
    for (int64_t i = begin; i < b->columns.count; i++)
        if (columns[i].reason != NULL && bad == NULL)
            bad = &columns[i];
    for (int64_t i = begin; i < b->columns.count && bad != NULL; i++)
        if (columns[i].reason == NULL) {
            columns[i].reason = "another alternative of its variant cannot be read";
            columns[i].reason_status = bad->reason_status;
            columns[i].dtype = LADLE_DTYPE_NONE;
            columns[i].n_dims = columns[i].n_buffers = 0;
        }
    return status;
}

/* A projection is of a field that is none itself, and shows the columns of that field. */
static bool shows_its_source(const builder *b, const ladle_field *field)
{
    if (field->source < 0)
        return true;
    const int32_t *columns = (const int32_t *)b->schema->field_columns.items + field->first_column;
    bool good = field->source < b->schema->fields.count && field_at(b, field->source)->source < 0;
    for (int64_t i = 0; i < field->n_columns; i++)
        good = good && b->table->physicals[columns[i]].field == field->source;
    return good;
}

static ladle_status walk(builder *b, const ladle_field *field, const path *outer)
{
    path p = *outer;
    int32_t streams[2];
    int n = field_streams(b, field, streams, 2);
    if (++p.depth > ladle_context_limits(b->table->base.context)->max_depth)
        return add_refused(b, &p, LADLE_UNSUPPORTED, "fields nested deeper than max_depth");
    if (!shows_its_source(b, field))
        return add_refused(b, &p, LADLE_CORRUPT, "a projection that does not show the field that it is of");
    if (n < 0)
        return add_refused(b, &p, LADLE_UNSUPPORTED, "a field of more than two columns");
    if (field->n_columns > 0 && n == 0)
        return add_refused(b, &p, LADLE_CORRUPT, "its representations differ in their numbers of columns");
    if (field->repetitive) {
        push_dim(&p, field->repetition);
        if (!ladle_multiply(p.place.repeat, field->repetition, &p.place.repeat))
            p.place.repeat = 0;
    }
    const ladle_field *child = field->first_child < 0 ? NULL : field_at(b, field->first_child);
    switch (field->role) {
    case LADLE_FIELD_LEAF:
        if (n > 0)
            return add_leaf(b, field, &p, streams, n);
        if (field->n_children != 1)
            return add_refused(b, &p, LADLE_UNSUPPORTED, "a field without columns");
        return walk(b, child, &p); /* an array, an enumeration, an atomic */
    case LADLE_FIELD_COLLECTION: {
        bool optional = begins_with(field->type, "std::optional<") || begins_with(field->type, "std::unique_ptr<");
        if (n != 1 || !b->table->streams[streams[0]].is_lists || field->n_children != 1)
            return add_refused(b, &p, LADLE_UNSUPPORTED, "a collection without an index column, or not of one field");
        enter_stream(b, &p, streams[0], optional ? LADLE_OPTION : LADLE_VAR);
        return walk(b, child, &p);
    }
    case LADLE_FIELD_RECORD: return walk_record(b, field, &p);
    case LADLE_FIELD_VARIANT:
        if (n != 1 || !b->table->streams[streams[0]].is_switch)
            return add_refused(b, &p, LADLE_UNSUPPORTED, "a variant without a switch column");
        return walk_variant(b, field, &p, streams[0]);
    case LADLE_FIELD_STREAMER:
        return add_refused(b, &p, LADLE_UNSUPPORTED, "objects that ROOT's streamer wrote are not read");
    default: return add_refused(b, &p, LADLE_UNSUPPORTED, "a field of a kind that this version does not know");
    }
}

/* What the importer makes of a TTree's counted branches, an untyped collection, is seen through projections only. */
static bool is_hidden(const builder *b, int64_t index)
{
    const ladle_field *field = field_at(b, index);
    return field->role == LADLE_FIELD_COLLECTION && field->source < 0 && field->type.nbytes == 0 &&
           field->n_columns > 0 && b->n_hidden[index] == 0;
}

static ladle_status build_columns(builder *b)
{
    ladle_status status = LADLE_OK;
    for (int64_t i = 0; i < b->schema->fields.count && status == LADLE_OK; i++) {
        const ladle_field *field = field_at(b, i);
        if (field->parent >= 0 || is_hidden(b, i))
            continue;
        path p = {.field = copy(b, field->name), .place = {-1, 0, 1}, .named = field};
        status = p.field == NULL ? (ladle_status)b->error->status : walk(b, field, &p);
    }
    int64_t limit = ladle_context_limits(b->table->base.context)->max_columns;
    if (status == LADLE_OK && b->columns.count > limit)
        status =
            ladle_fail(b->error, LADLE_LIMIT, LADLE_NO_OFFSET, "more columns than max_columns, %lld", (long long)limit);
    return status;
}

/* --- what columns share ------------------------------------------------------------------------------ */

/* ROOT's name of a field, which tells it from all others: "jets._0.hits". */
static char *qualified_name(builder *b, int32_t index)
{
    size_t size = 1;
    for (int32_t i = index; i >= 0; i = field_at(b, i)->parent)
        size += field_at(b, i)->name.nbytes + 1;
    char *name = ladle_arena_alloc(&b->table->base.arena, (int64_t)size, 1, b->error);
    if (name == NULL)
        return NULL;
    char *at = name + size - 2;
    for (int32_t i = index; i >= 0; i = field_at(b, i)->parent) {
        ladle_text text = field_at(b, i)->name;
        at -= text.nbytes;
        for (size_t k = 0; k < text.nbytes; k++)
            at[k] = text.data[k] == '\0' ? '?' : text.data[k];
        if (at > name)
            *--at = '.';
    }
    name[size - 2] = '\0';
    return name;
}

/* Owners of offsets, and whose pages are whose: lists with a cardinality are known by it. */
static ladle_status share(builder *b)
{
    ladle_rntuple *table = b->table;
    ladle_column *columns = b->columns.items;
    const ladle_layout *layouts = b->layouts.items;
    for (int32_t i = 0; i < table->n_streams; i++)
        if (b->cardinalities[i] >= 0) {
            table->streams[i].owner = b->cardinalities[i];
            table->streams[i].name = columns[b->cardinalities[i]].name;
        }
    for (int64_t i = 0; i < b->columns.count; i++) {
        ladle_column *column = &columns[i];
        const int32_t *streams = layouts[i].streams;
        const char **owners = NULL;
        if (column->lists == LADLE_LISTS_STORED) {
            owners = ladle_arena_alloc(&table->base.arena, column->n_buffers, sizeof *owners, b->error);
            if (owners == NULL)
                return (ladle_status)b->error->status;
            if (column->dims[0] == LADLE_VAR && table->streams[streams[0]].parent < 0)
                column->counter = b->cardinalities[streams[0]];
        }
        column->owners = owners;
        for (int32_t k = 0; k < column->n_buffers; k++) {
            ladle_stream *stream = &table->streams[streams[k]];
            if (stream->owner < 0)
                stream->owner = (int32_t)i;
            if (owners == NULL)
                continue;
            if (k < column->n_buffers - 1 && stream->name == NULL) {
                stream->name = qualified_name(b, table->physicals[stream->physicals[0]].field);
                if (stream->name == NULL)
                    return (ladle_status)b->error->status;
            }
            owners[k] = k < column->n_buffers - 1 ? stream->name : column->name;
        }
    }
    return LADLE_OK;
}

static ladle_status build_all(builder *b)
{
    ladle_rntuple *table = b->table;
    ladle_status status = build_streams(b);
    for (int32_t i = 0; i < table->n_streams; i++)
        b->cardinalities[i] = -1;
    if (status == LADLE_OK)
        status = build_columns(b);
    if (status == LADLE_OK)
        status = share(b);
    ladle_table *base = &table->base;
    int64_t n = b->columns.count;
    if (status == LADLE_OK) {
        base->columns = ladle_arena_alloc(&base->arena, n, sizeof *base->columns, b->error);
        table->layouts = ladle_arena_alloc(&base->arena, n, sizeof *table->layouts, b->error);
        status = base->columns == NULL || table->layouts == NULL ? (ladle_status)b->error->status : LADLE_OK;
    }
    if (status != LADLE_OK || n == 0)
        return status;
    memcpy(base->columns, b->columns.items, (size_t)n * sizeof *base->columns);
    memcpy(table->layouts, b->layouts.items, (size_t)n * sizeof *table->layouts);
    base->n_columns = (int32_t)n;
    return LADLE_OK;
}

ladle_status ladle_rntuple_build(ladle_rntuple *table, const ladle_schema *schema, ladle_error *error)
{
    ladle_table *base = &table->base;
    ladle_context *context = base->context;
    builder b = {.table = table, .schema = schema, .error = error};
    ladle_vector_init(&b.columns, context, sizeof(ladle_column));
    ladle_vector_init(&b.layouts, context, sizeof(ladle_layout));
    ladle_vector_init(&b.members, context, sizeof(member));
    base->title = copy(&b, schema->description);
    table->n_physicals = (int32_t)schema->physicals.count;
    table->n_groups = schema->groups.count;
    int64_t n_fields = schema->fields.count, n_physicals = table->n_physicals;
    table->physicals = ladle_arena_alloc(&base->arena, n_physicals, sizeof *table->physicals, error);
    table->groups = ladle_arena_alloc(&base->arena, table->n_groups, sizeof *table->groups, error);
    table->streams = ladle_arena_alloc(&base->arena, n_physicals, sizeof *table->streams, error);
    size_t size =
        (size_t)n_fields * (sizeof *b.places + 2 * sizeof(int32_t)) + (size_t)n_physicals * sizeof(int32_t) + 1;
    b.places = ladle_alloc(context, size, LADLE_MEMORY_METADATA, error);
    ladle_status status = LADLE_OK;
    if (base->title == NULL || table->physicals == NULL || table->groups == NULL || table->streams == NULL ||
        b.places == NULL)
        status = (ladle_status)error->status;
    if (status == LADLE_OK) {
        b.tops = (int32_t *)(void *)(b.places + n_fields);
        b.n_hidden = b.tops + n_fields;
        b.cardinalities = b.n_hidden + n_fields;
        if (n_physicals > 0)
            memcpy(table->physicals, schema->physicals.items, (size_t)n_physicals * sizeof *table->physicals);
        if (table->n_groups > 0) {
            memcpy(table->groups, schema->groups.items, (size_t)table->n_groups * sizeof *table->groups);
            const ladle_cluster_group *last = &table->groups[table->n_groups - 1];
            base->n_entries = last->first_entry + last->n_entries;
            table->n_clusters = last->first_cluster + last->n_clusters;
        }
        status = build_all(&b);
    }
    ladle_free(context, b.places, size, LADLE_MEMORY_METADATA);
    ladle_vector_destroy(&b.members);
    ladle_vector_destroy(&b.layouts);
    ladle_vector_destroy(&b.columns);
    return status == LADLE_OK ? ladle_table_build_index(base, error) : status;
}
