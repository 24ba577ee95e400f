/* RNTuples made by hand: one of each kind is read as it was made, and each lie gets one clear error, or harmless data,
 * while the columns that it is not about are read as before. */
#include "support/check.h"
#include "support/lies.h"

/* --- the truth ------------------------------------------------------------------------------------- */

static void make(opened_ntuple *o)
{
    make_ntuple(o, make_all_forms);
}

static void test_all_forms_are_read(void **state)
{
    (void)state;
    static const char *const codecs[] = {NULL, "ZL", "XZ", "L4", "ZS"};
    for (size_t i = 0; i < N_OF(codecs); i++) {
        opened_ntuple o;
        make(&o);
        o.t->codec = codecs[i];
        open_ntuple(&o);
        ASSERT_BUFFER(&o, "x", 0, float, 0, 1, 2, 3, 4, 5, 6, 7);
        ASSERT_BUFFER(&o, "v", 0, int64_t, 0, 2, 2, 3, 6, 6, 7, 7, 10);
        ASSERT_BUFFER(&o, "v", 1, float, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19);
        ASSERT_BUFFER(&o, "nv", 0, uint32_t, 2, 0, 1, 3, 0, 1, 0, 3);
        ASSERT_BUFFER(&o, "s", 0, int64_t, 0, 1, 3, 3, 6, 7, 7, 9, 9);
        assert_buffer(&o, "s", 1, "abbddddgg", 9);
        ASSERT_BUFFER(&o, "o", 0, int64_t, 0, -1, 1, 2, -1, -1, 3, 4);
        ASSERT_BUFFER(&o, "o", 1, int32_t, 100, 102, 103, 106, 107);
        ASSERT_BUFFER(&o, "u._0", 0, int8_t, 1, 2, 2, 0, 1, 2, 2, 1);
        ASSERT_BUFFER(&o, "u._0", 1, int64_t, 0, 0, 1, 0, 1, 2, 3, 2);
        ASSERT_BUFFER(&o, "u._0", 2, int32_t, 200, 204, 207);
        ASSERT_BUFFER(&o, "u._1", 2, float, 201, 202, 205, 206);
        ASSERT_BUFFER(&o, "r.x", 0, double, 0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5);
        ASSERT_BUFFER(&o, "r.y", 0, int64_t, 0, 0, 1, 3, 3, 4, 6, 6, 7);
        ASSERT_BUFFER(&o, "r.y", 1, int16_t, 1, 2, 2, 4, 5, 5, 7);
        ASSERT_BUFFER(&o, "a", 0, int16_t, 0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52, 60, 61,
                      62, 70, 71, 72);
        ASSERT_BUFFER(&o, "vv", 0, int64_t, 0, 2, 2, 3, 5, 5, 6, 6, 7);
        ASSERT_BUFFER(&o, "vv", 1, int64_t, 0, 1, 3, 3, 6, 7, 9, 9);
        ASSERT_BUFFER(&o, "vv", 2, double, 0, 1, 2, 3, 4, 5, 6, 7, 8);
        ASSERT_BUFFER(&o, "w", 1, float, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19);
        ASSERT_BUFFER(&o, "two", 0, int32_t, -1, -2, -3, -4, -5, -6, -7, -8);
        ASSERT_BUFFER(&o, "late", 0, int32_t, 0, 0, 0, 0, 0, 305, 306, 307);
        close_ntuple(&o);
    }
}

/* --- lies ------------------------------------------------------------------------------------------- */

TELL(epoch, t->version[0] = 2)
TELL(later_minor, t->version[2] = 77)
TELL(flag, t->flags[0] = 1)
TELL(flag_69, t->flags[0] = UINT64_C(1) << 63, t->flags[1] = 64)
TELL(footer_flag, t->footer_flags = 8)
TELL(header_type, t->lie_types[LADLE_ENVELOPE_HEADER] = 9)
TELL(footer_type, t->lie_types[LADLE_ENVELOPE_FOOTER] = 1)
TELL(page_list_type, t->lie_types[LADLE_ENVELOPE_PAGE_LIST] = 4)
TELL(header_seal, t->lie_seal[LADLE_ENVELOPE_HEADER] = true)
TELL(footer_seal, t->lie_seal[LADLE_ENVELOPE_FOOTER] = true)
TELL(page_list_seal, t->lie_seal[LADLE_ENVELOPE_PAGE_LIST] = true)
TELL(other_footer, t->lie_checksum[LADLE_ENVELOPE_FOOTER] = 1)
TELL(other_page_list, t->lie_checksum[LADLE_ENVELOPE_PAGE_LIST] = 1)
TELL(header_length, t->lie_lengths[LADLE_ENVELOPE_HEADER] = 15)
TELL(huge_header, t->lie_lengths[LADLE_ENVELOPE_HEADER] = INT64_MAX)
TELL(header_elsewhere, t->lie_offset = INT64_MAX - 3)
TELL(negative_header, t->lie_offset = -8)
TELL(small_chunks, t->max_key_nbytes = 1)
TELL(many_fields, t->lie = (made_lie){"fields", 0, -12, INT64_C(1) << 31})
TELL(short_fields, t->lie = (made_lie){"fields", 0, -10, -1})
TELL(long_fields, t->lie = (made_lie){"fields", 0, -(INT64_C(1) << 40), -1})
TELL(lowest_frame, t->lie = (made_lie){"fields", 0, INT64_MIN, -1})
TELL(record_for_list, t->lie = (made_lie){"columns", 0, 1000, -1})
TELL(long_field, t->lie = (made_lie){"field", 3, 1 << 20, -1})
TELL(short_field, t->lie = (made_lie){"field", 3, 16, -1})
TELL(many_columns, t->lie = (made_lie){"columns", 0, 0, 21})
TELL(many_groups, t->lie = (made_lie){"groups", 0, 0, UINT32_MAX})
TELL(no_pages, t->lie = (made_lie){"pages", 0, 0, 0})
TELL(more_clusters, t->lie = (made_lie){"summaries", 0, 0, 3})
TELL(fewer_clusters, t->lie = (made_lie){"clusters", 0, 0, 1})
TELL(own_parent, t->fields[FIELD_V_ITEM].parent = FIELD_V_ITEM)
TELL(later_parent, t->fields[FIELD_X].parent = FIELD_V)
TELL(parent_cycle, t->fields[FIELD_VV].parent = FIELD_VV_LIST)
TELL(no_parent, t->fields[FIELD_X].parent = UINT32_MAX)
TELL(leaf_parent, t->fields[FIELD_LATE].parent = FIELD_X)
TELL(no_source, t->fields[FIELD_W].source = 99)
TELL(source_behind_31_bits, t->fields[FIELD_W].source = UINT32_MAX)
TELL(other_source, t->fields[FIELD_NV].source = FIELD_VV)
TELL(source_of_item, t->fields[FIELD_W_ITEM].source = FIELD_V)
TELL(projected_source, t->fields[FIELD_W].source = FIELD_NV)
TELL(own_source, t->fields[FIELD_NV].source = FIELD_NV)
TELL(no_column, t->aliases[0].physical = 99)
TELL(negative_column, t->aliases[0].physical = -1)
TELL(alias_of_leaf, t->aliases[0].field = FIELD_X)
TELL(alias_of_values, t->aliases[0].physical = COLUMN_V_ITEM, t->fields[FIELD_NV].source = FIELD_V_ITEM)
TELL(alias_of_number, t->aliases[0].physical = COLUMN_X, t->fields[FIELD_NV].source = FIELD_X)
TELL(alias_of_others, t->aliases[2].physical = COLUMN_VV_ITEM, t->fields[FIELD_W_ITEM].source = FIELD_VV_ITEM)
TELL(column_of_projection, t->columns[COLUMN_TWO_AGAIN].field = FIELD_NV)
TELL(column_of_nothing, t->columns[COLUMN_X].field = 99)
TELL(unknown_element, t->columns[COLUMN_X].element = 0x1e)
TELL(wrong_bits, t->columns[COLUMN_X].bits = 31)
TELL(no_bits, t->columns[COLUMN_R_X].bits = 0)
TELL(integer_for_text, t->columns[COLUMN_S_CHARS].element = LADLE_ELEMENT_BYTE)
TELL(index_for_value, t->columns[COLUMN_X].element = LADLE_ELEMENT_INDEX32)
TELL(value_for_index, t->columns[COLUMN_R_Y].element = LADLE_ELEMENT_INT64)
TELL(third_representation, t->columns[COLUMN_TWO_AGAIN].representation = 2)
TELL(unknown_role, t->fields[FIELD_X].role = 17)
TELL(streamer, t->fields[FIELD_X].role = LADLE_FIELD_STREAMER)
TELL(no_elements, t->fields[FIELD_A].repetition = 0)
TELL(huge_array, t->fields[FIELD_A].repetition = UINT64_MAX)
TELL(large_array, t->fields[FIELD_A].repetition = INT64_C(1) << 62)
TELL(other_array, t->fields[FIELD_A].repetition = 4)
TELL(few_columns, t->lie_columns = -1)
TELL(more_columns, t->lie_columns = 1)
TELL(all_suppressed, t->clusters[1].suppressed[COLUMN_TWO_AGAIN] = true, page_of(t, 1, COLUMN_TWO_AGAIN)->cluster = 7)
TELL(none_suppressed, t->clusters[1].suppressed[COLUMN_TWO] = false)
static void both_representations(made_ntuple *t)
{
    t->clusters[1].suppressed[COLUMN_TWO] = false;
    (void)add_page(t, COLUMN_TWO, (int32_t[]){1, 2, 3}, 3);
}
TELL(sharded, t->clusters[1].flags = 1)
TELL(other_cluster_flag, t->clusters[1].flags = 2)
TELL(cluster_gap, t->clusters[1].first_entry = 6)
TELL(cluster_overlap, t->clusters[1].first_entry = 4)
static void cluster_too_long(made_ntuple *t)
{
    t->n_groups = 1;
    t->groups[0] = (made_group){0, 8, 2};
    t->clusters[1].n_entries = 4;
}
static void endless_cluster(made_ntuple *t)
{
    t->n_groups = 1;
    t->groups[0] = (made_group){0, 8, 2};
    t->clusters[0].n_entries = (UINT64_C(1) << 56) - 1;
}
static void entries_overflow(made_ntuple *t)
{
    t->n_groups = 2;
    t->groups[0] = (made_group){0, INT64_MAX, 1};
    t->groups[1] = (made_group){INT64_MAX, 1, 1};
}
static void groups_overlap(made_ntuple *t)
{
    t->n_groups = 2;
    t->groups[0] = (made_group){0, 5, 1};
    t->groups[1] = (made_group){4, 3, 1};
}
static void negative_group(made_ntuple *t)
{
    t->n_groups = 1;
    t->groups[0] = (made_group){0, UINT64_MAX, 2};
}
static void many_clusters(made_ntuple *t)
{
    t->n_groups = 1;
    t->groups[0] = (made_group){0, 8, UINT32_MAX};
}
TELL(page_list_length, t->lie_lengths[LADLE_ENVELOPE_PAGE_LIST] = INT64_MAX)
TELL(page_elsewhere, page_of(t, 0, COLUMN_X)->lie_offset = INT64_MAX - 2)
TELL(other_page, page_of(t, 0, COLUMN_X)->lie_offset = 4)
TELL(large_page, page_of(t, 0, COLUMN_X)->lie_nbytes = INT32_MAX)
TELL(empty_page, page_of(t, 0, COLUMN_X)->lie_nbytes = 1)
TELL(large_locator, page_of(t, 0, COLUMN_X)->lie_locator = 1)
TELL(too_many_elements, page_of(t, 0, COLUMN_X)->lie_elements = 4)
TELL(too_few_elements, page_of(t, 1, COLUMN_X)->lie_elements = 2)
TELL(most_elements, page_of(t, 1, COLUMN_X)->lie_elements = INT32_MAX)
TELL(no_checksum, page_of(t, 0, COLUMN_X)->no_checksum = true)
TELL(falling_ends, set_element(t, 0, COLUMN_R_Y, 2, 0))
TELL(falling_pages, set_element(t, 0, COLUMN_V, 2, 7))
TELL(negative_end, set_element(t, 0, COLUMN_R_Y, 0, UINT64_MAX))
TELL(ends_too_far, set_element(t, 1, COLUMN_R_Y, 2, 4))
TELL(ends_too_soon, set_element(t, 1, COLUMN_R_Y, 2, 2))
TELL(huge_end, set_element(t, 1, COLUMN_R_Y, 2, INT64_MAX))
TELL(inner_ends_too_far, set_element(t, 1, COLUMN_VV_LIST, 1, 3))
TELL(text_too_long, set_element(t, 0, COLUMN_S, 4, 8))
static void two_values(made_ntuple *t)
{
    set_element(t, 0, COLUMN_O, 0, 2);
    set_element(t, 0, COLUMN_O, 1, 2);
}
static void two_values_across_pages(made_ntuple *t)
{
    set_element(t, 0, COLUMN_O, 1, 1);
    set_element(t, 0, COLUMN_O, 2, 1);
}
TELL(tag_out_of_range, set_little(&t->pool, page_of(t, 0, COLUMN_U)->at + 8, 3, 4))
TELL(highest_tag, set_little(&t->pool, page_of(t, 0, COLUMN_U)->at + 8, UINT32_MAX, 4))
TELL(place_out_of_range, set_element(t, 0, COLUMN_U, 0, 2))
TELL(highest_place, set_element(t, 0, COLUMN_U, 0, UINT64_MAX))
static void places_fall(made_ntuple *t)
{
    set_element(t, 0, COLUMN_U, 0, 1);
    set_element(t, 0, COLUMN_U, 4, 0);
}
TELL(more_values, page_of(t, 1, COLUMN_U_0)->lie_elements = 2)
TELL(late_beyond_the_end, t->columns[COLUMN_LATE].first_element = INT64_MAX)
TELL(late_not_at_all, t->columns[COLUMN_LATE].flags = 0)
TELL(early_is_late, t->columns[COLUMN_X].flags = 1, t->columns[COLUMN_X].first_element = -9)

TELL(page_in_another_place, page_of(t, 0, COLUMN_X)[1].lie_offset = 1)
TELL(chunks, t->max_key_nbytes = 500)
TELL(late_without_a_first, t->columns[COLUMN_LATE].first_element = INT64_MIN)
TELL(quantised_without_a_range, t->columns[COLUMN_X].element = LADLE_ELEMENT_REAL32_QUANT)
static void quantised_within_nothing(made_ntuple *t)
{
    t->columns[COLUMN_X].element = LADLE_ELEMENT_REAL32_QUANT;
    t->columns[COLUMN_X].flags = 2;
    t->columns[COLUMN_X].minimum = 1;
    t->columns[COLUMN_X].maximum = -1;
}
TELL(lists_of_a_switch, t->columns[COLUMN_U].element = LADLE_ELEMENT_INDEX64)
TELL(ends_of_32_bits, t->columns[COLUMN_VV].element = LADLE_ELEMENT_INDEX32)
TELL(two_names, t->fields[FIELD_TWO].name = "x")
TELL(empty_name, t->fields[FIELD_TWO].name = "")
TELL(item_in_another, t->fields[FIELD_VV_ITEM].parent = FIELD_V)
TELL(three_columns, t->columns[COLUMN_LATE].field = FIELD_S)

static const lie lies[] = {
    /* The anchor, envelopes and flags. */
    {"epoch 2", epoch, NULL, LADLE_UNSUPPORTED, "epoch 2"},
    {"minor version 77", later_minor, "", LADLE_OK, NULL},
    {"feature flag 0", flag, NULL, LADLE_UNSUPPORTED, "feature flag 0"},
    {"feature flag 69", flag_69, NULL, LADLE_UNSUPPORTED, "feature flag 69"},
    {"feature flag 3 in the footer", footer_flag, NULL, LADLE_UNSUPPORTED, "feature flag 3"},
    {"header of type 9", header_type, NULL, LADLE_UNSUPPORTED, "type 9"},
    {"footer of type 1", footer_type, NULL, LADLE_CORRUPT, "type 1 "},
    {"page list of type 4", page_list_type, "*", LADLE_UNSUPPORTED, "type 4"},
    {"header's checksum", header_seal, NULL, LADLE_CHECKSUM, "the header has XXH3"},
    {"footer's checksum", footer_seal, NULL, LADLE_CHECKSUM, "the footer has XXH3"},
    {"page list's checksum", page_list_seal, "*", LADLE_CHECKSUM, "a page list has XXH3"},
    {"footer of another header", other_footer, NULL, LADLE_CORRUPT, "belongs to a header"},
    {"page list of another header", other_page_list, "*", LADLE_CORRUPT, "another header"},
    {"header of 15 bytes", header_length, NULL, LADLE_CORRUPT, "15 bytes"},
    {"header of 2^63 bytes", huge_header, NULL, LADLE_LIMIT, "max_metadata_nbytes"},
    {"header near 2^63", header_elsewhere, NULL, LADLE_TRUNCATED, "does not lie in the file"},
    {"header at -8", negative_header, NULL, LADLE_TRUNCATED, "does not lie in the file"},
    {"blobs in chunks of 1 byte", small_chunks, NULL, LADLE_CORRUPT, "chunks of 1"},
    /* Frames. */
    {"2^31 fields in 12 bytes", many_fields, NULL, LADLE_LIMIT, "max_columns"},
    {"a list of 10 bytes", short_fields, NULL, LADLE_CORRUPT, "list frame"},
    {"a list longer than its envelope", long_fields, NULL, LADLE_TRUNCATED, "bytes"},
    {"a list of -2^63 bytes", lowest_frame, NULL, LADLE_CORRUPT, "list frame"},
    {"a record where a list should be", record_for_list, NULL, LADLE_CORRUPT, "list frame"},
    {"a field longer than its envelope", long_field, NULL, LADLE_TRUNCATED, "field needs"},
    {"a field longer than its frame", short_field, NULL, LADLE_CORRUPT, "field"},
    {"more columns than the list has", many_columns, NULL, LADLE_CORRUPT, "column"},
    {"2^32 cluster groups", many_groups, NULL, LADLE_LIMIT, "max_columns"},
    {"pages that the list does not count", no_pages, " x ", LADLE_CORRUPT, ""},
    {"three summaries", more_clusters, "*", LADLE_CORRUPT, "has 3 clusters, its group 2"},
    {"pages of one cluster", fewer_clusters, "*", LADLE_CORRUPT, "pages of 1 clusters, expected 2"},
    /* Fields and columns. */
    {"an item at the top", own_parent, " v w ", ANY, "cannot be read"},
    {"a parent behind its child", later_parent, NULL, LADLE_CORRUPT, "parent"},
    {"a cycle of parents", parent_cycle, NULL, LADLE_CORRUPT, "parent"},
    {"parent 2^32 - 1", no_parent, NULL, LADLE_CORRUPT, "parent"},
    {"a child of a leaf", leaf_parent, " late ", LADLE_OK, NULL},
    {"a projection of nothing", no_source, " w ", LADLE_CORRUPT, "projection"},
    {"a projection of field 2^32 - 1", source_behind_31_bits, " w ", LADLE_CORRUPT, "projection"},
    {"a projection of a field with other columns", other_source, " nv ", LADLE_CORRUPT, "projection"},
    {"an item's projection of lists", source_of_item, " w ", LADLE_CORRUPT, "projection"},
    {"a projection of a projection", projected_source, " w ", LADLE_CORRUPT, "projection"},
    {"a projection of itself", own_source, " nv ", LADLE_CORRUPT, "projection"},
    {"an alias of no column", no_column, NULL, LADLE_CORRUPT, "no such column"},
    {"an alias of column -1", negative_column, NULL, LADLE_CORRUPT, "no such column"},
    {"an alias for a field with columns", alias_of_leaf, NULL, LADLE_CORRUPT, "projected"},
    {"the cardinality of values", alias_of_values, " nv ", LADLE_CORRUPT, "lie in the lists"},
    {"the cardinality of a number", alias_of_number, " nv ", LADLE_CORRUPT, "no collection"},
    {"lists around the values of others", alias_of_others, " w ", LADLE_CORRUPT, "lie in the lists"},
    {"a column of a projected field", column_of_projection, NULL, LADLE_CORRUPT, "projected"},
    {"a column of field 99", column_of_nothing, NULL, LADLE_CORRUPT, "field 99"},
    {"an unknown element", unknown_element, " x ", LADLE_UNSUPPORTED, ""},
    {"a float of 31 bits", wrong_bits, " x ", LADLE_UNSUPPORTED, ""},
    {"a double of no bits", no_bits, " r.x ", LADLE_UNSUPPORTED, ""},
    {"bytes for a text", integer_for_text, " s ", LADLE_OK, NULL},
    {"an index for a value", index_for_value, " x ", LADLE_UNSUPPORTED, ""},
    {"values for an index", value_for_index, " r.y ", LADLE_UNSUPPORTED, ""},
    {"representation 2 of two", third_representation, NULL, LADLE_CORRUPT, "representation 2"},
    {"a field of role 17", unknown_role, " x ", LADLE_UNSUPPORTED, "kind"},
    {"objects of the streamer", streamer, " x ", LADLE_UNSUPPORTED, "streamer"},
    {"an array of none", no_elements, " a ", LADLE_UNSUPPORTED, "array of no elements"},
    {"an array of 2^64 - 1", huge_array, NULL, LADLE_CORRUPT, "size of an array"},
    {"an array of 2^62", large_array, " a ", LADLE_CORRUPT, ""},
    {"an array of 4 with 3", other_array, " a ", LADLE_CORRUPT, "elements"},
    /* Page lists. */
    {"page lists with too few columns", few_columns, " late ", LADLE_OK, NULL},
    {"page lists with too many columns", more_columns, "*", LADLE_CORRUPT, "21 columns, the table has 20"},
    {"all representations suppressed", all_suppressed, " two ", LADLE_CORRUPT, "elements"},
    {"an empty representation not suppressed", none_suppressed, "", LADLE_OK, NULL},
    {"both representations present", both_representations, " two ", LADLE_CORRUPT, "representations"},
    {"a sharded cluster", sharded, "*", LADLE_UNSUPPORTED, "sharded (flag 0)"},
    {"cluster flag 2", other_cluster_flag, "", LADLE_OK, NULL},
    {"a gap between clusters", cluster_gap, "*", LADLE_CORRUPT, "begins at entry 6, expected 5"},
    {"clusters that overlap", cluster_overlap, "*", LADLE_CORRUPT, "begins at entry 4, expected 5"},
    {"a cluster longer than its group", cluster_too_long, "*", LADLE_CORRUPT, "ends at entry 9"},
    {"a cluster of 2^56 - 1 entries", endless_cluster, "*", LADLE_CORRUPT, "ends at entry"},
    {"2^63 entries", entries_overflow, NULL, LADLE_CORRUPT, "2^63 entries"},
    {"groups that overlap", groups_overlap, NULL, LADLE_CORRUPT, "begins at entry 4"},
    {"a group of -1 entries", negative_group, NULL, LADLE_CORRUPT, "entries of a cluster group"},
    {"2^32 - 1 clusters", many_clusters, "*", LADLE_CORRUPT, "cannot hold"},
    {"a page list of 2^63 bytes", page_list_length, "*", LADLE_LIMIT, "max_metadata_nbytes"},
    {"a page near 2^63", page_elsewhere, " x ", LADLE_TRUNCATED, "does not lie in the file"},
    {"a page over the file's header", other_page, " x ", LADLE_CHECKSUM, "XXH3"},
    {"a page of 2^31 bytes", large_page, " x ", LADLE_CORRUPT, "cannot hold"},
    {"a page of 1 byte", empty_page, " x ", LADLE_CHECKSUM, "XXH3"},
    {"a large locator", large_locator, "", LADLE_OK, NULL},
    {"an element more", too_many_elements, " x ", LADLE_CORRUPT, "elements"},
    {"an element less", too_few_elements, " x ", LADLE_CORRUPT, "elements"},
    {"2^31 - 1 elements", most_elements, " x ", LADLE_CORRUPT, "elements"},
    {"a page without a checksum", no_checksum, "", LADLE_OK, NULL},
    {"a page in another place", page_in_another_place, " x ", LADLE_CHECKSUM, "XXH3"},
    {"chunks of 500 bytes", chunks, NULL, LADLE_TRUNCATED, "chunk"},
    {"a late column without a first element", late_without_a_first, "", LADLE_OK, NULL},
    {"reals quantised without a range", quantised_without_a_range, " x ", LADLE_UNSUPPORTED, ""},
    {"reals quantised within nothing", quantised_within_nothing, " x ", LADLE_UNSUPPORTED, ""},
    {"an index for a switch", lists_of_a_switch, " u._0 u._1 ", LADLE_UNSUPPORTED, "switch"},
    {"ends of 32 bits in 64", ends_of_32_bits, " vv ", LADLE_UNSUPPORTED, ""},
    {"two columns of one name", two_names, " two ", LADLE_OK, NULL},
    {"a column without a name", empty_name, " two ", LADLE_OK, NULL},
    {"an item in another list", item_in_another, " v vv ", LADLE_UNSUPPORTED, ""},
    {"a field of three columns", three_columns, " s late ", LADLE_UNSUPPORTED, ""},
    /* What is in pages. */
    {"ends that fall", falling_ends, " r.y ", LADLE_CORRUPT, "fall"},
    {"ends that fall from page to page", falling_pages, " v nv w ", LADLE_CORRUPT, ""},
    {"an end at -1", negative_end, " r.y ", LADLE_CORRUPT, ""},
    {"a last end behind its items", ends_too_far, " r.y ", LADLE_CORRUPT, ""},
    {"a last end before its items'", ends_too_soon, " r.y ", LADLE_CORRUPT, "ends at item 2 of 3"},
    {"a last end of 2^63", huge_end, " r.y ", LADLE_CORRUPT, ""},
    {"an inner end behind its items", inner_ends_too_far, " vv ", LADLE_CORRUPT, ""},
    {"a text behind its characters", text_too_long, " s ", LADLE_CORRUPT, ""},
    {"an optional of two values", two_values, " o ", LADLE_CORRUPT, "more than one value"},
    {"an optional of two values across pages", two_values_across_pages, " o ", LADLE_CORRUPT, ""},
    {"tag 3 of 2", tag_out_of_range, " u._0 u._1 ", LADLE_CORRUPT, "alternative"},
    {"tag 2^32 - 1", highest_tag, " u._0 u._1 ", LADLE_CORRUPT, "alternative"},
    {"a place behind its alternative", place_out_of_range, " u._0 u._1 ", LADLE_CORRUPT, "item"},
    {"place 2^64 - 1", highest_place, " u._0 u._1 ", LADLE_CORRUPT, "item"},
    {"places in another order", places_fall, " u._0 u._1 ", LADLE_OK, NULL},
    {"more values than pages hold", more_values, " u._0 ", LADLE_TRUNCATED, "missing"},
    {"a late column behind the end", late_beyond_the_end, "", LADLE_OK, NULL},
    {"a late column that is not late", late_not_at_all, " late ", LADLE_CORRUPT, "elements"},
    {"an early column that is late", early_is_late, "", LADLE_OK, NULL},
};

static void test_each_lie_is_told_or_does_no_harm(void **state)
{
    (void)state;
    judge_lies(make_all_forms, lies, N_OF(lies));
}

/* --- numbers near their limits ----------------------------------------------------------------------- */

/* A cluster whose end is more than 2^63: only the second group's page list is read for the last entries. */
static void test_a_cluster_that_ends_behind_2_63(void **state)
{
    (void)state;
    opened_ntuple o;
    make(&o);
    int64_t first = INT64_MAX - 100;
    o.t->n_groups = 2;
    o.t->groups[0] = (made_group){0, (uint64_t)first, 1};
    o.t->groups[1] = (made_group){(uint64_t)first, 10, 1};
    o.t->clusters[1].first_entry = (uint64_t)first;
    o.t->clusters[1].n_entries = (UINT64_C(1) << 56) - 1;
    write_ntuple(&o);
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    ladle_file *file = open_made(context, &o.file, &error);
    assert_some(file, error);
    ladle_table *table = ladle_file_table(file, "t", &error);
    assert_some(table, error);
    ladle_reader *reader = ladle_reader_create(context, 1, &error);
    ladle_array array;
    ladle_status status =
        ladle_read_column(reader, NULL, table, ladle_table_find(table, "x"), first + 1, first + 4, &array, &error);
    assert_int_equal(status, LADLE_CORRUPT);
    assert_error(error, LADLE_CORRUPT, "ends at entry");
    ladle_reader_release(reader);
    ladle_table_release(table);
    ladle_file_release(file);
    end_context(context);
    free_file(&o.file);
    free_ntuple(o.t);
    free(o.t);
}

/* --- nesting --------------------------------------------------------------------------------------- */

typedef enum nest { NEST_LISTS, NEST_RECORDS, NEST_ARRAYS, NEST_LEAVES, NEST_VARIANTS, NEST_KINDS } nest;

/* `depth` fields of one kind around one float; there are no entries. */
static void make_nested(made_ntuple *t, nest kind, int depth)
{
    static const int roles[] = {LADLE_FIELD_COLLECTION, LADLE_FIELD_RECORD, LADLE_FIELD_LEAF, LADLE_FIELD_LEAF,
                                LADLE_FIELD_VARIANT};
    int parent = MADE_TOP;
    for (int i = 0; i < depth; i++) {
        parent = kind == NEST_ARRAYS ? add_array(t, parent, i == 0 ? "deep" : "_0", "", 1 << 7)
                                     : add_field(t, parent, i == 0 ? "deep" : "_0", "T", roles[kind]);
        if (kind == NEST_LISTS)
            (void)add_column(t, parent, LADLE_ELEMENT_SPLIT_INDEX64, 64);
        if (kind == NEST_VARIANTS)
            (void)add_column(t, parent, LADLE_ELEMENT_SWITCH, 96);
    }
    (void)add_column(t, add_field(t, parent, "_0", "float", LADLE_FIELD_LEAF), LADLE_ELEMENT_REAL32, 32);
    (void)add_column(t, add_field(t, MADE_TOP, "beside", "float", LADLE_FIELD_LEAF), LADLE_ELEMENT_REAL32, 32);
}

/* What is too deep is refused, and costs nothing beside it. */
static void test_deep_nesting(void **state)
{
    (void)state;
    static const int depths[] = {1, 7, 8, 9, 63, 64, 65, 66, 150};
    static const int most[NEST_KINDS] = {8, 64, 8, 66, 8}; /* dimensions, or members */
    for (int kind = 0; kind < NEST_KINDS; kind++)
        for (size_t i = 0; i < N_OF(depths); i++) {
            opened_ntuple o = {.t = malloc(sizeof *o.t)};
            assert_non_null(o.t);
            begin_ntuple(o.t, "t");
            make_nested(o.t, (nest)kind, depths[i]);
            open_ntuple(&o);
            const seen_table *table = &o.seen.tables[0];
            assert_int_equal(table->n_columns, 2);
            assert_int_equal(column_of(table, "beside")->status, LADLE_OK);
            const seen_column *deep = &table->columns[0];
            if (depths[i] > most[kind])
                assert_int_equal(deep->status, LADLE_UNSUPPORTED);
            if (depths[i] <= 8)
                assert_int_equal(deep->status, LADLE_OK);
            close_ntuple(&o);
        }
}

/* --- memory ------------------------------------------------------------------------------------------ */

static int64_t resident(void)
{
    ladle_process_info process = {.struct_size = sizeof process};
    ladle_error error = blank_error();
    assert_ok(ladle_process_memory(&process, &error), error);
    return process.rss;
}

static void test_opened_and_read_a_thousand_times(void **state)
{
    (void)state;
    opened_ntuple o;
    make(&o);
    o.t->codec = "ZS";
    write_ntuple(&o);
    int64_t warm = 0;
    for (int i = 0; i < 1000; i++) {
        see_everything(&o.seen, o.file.bytes.data, o.file.bytes.n, NTUPLE_BUDGET);
        forget_everything(&o.seen); /* complains of what the ledger still has */
        assert_string_equal(o.seen.complaint, "");
        if (i == 100)
            warm = resident();
    }
#if !defined(__SANITIZE_ADDRESS__)
    assert_true(resident() - warm < 1 << 20);
#else
    (void)warm; /* freed memory is kept aside */
#endif
    free_file(&o.file);
    free_ntuple(o.t);
    free(o.t);
}

/* 1.8 kB that declare 10^8 values: 2 in the first half, 1 in the second. */
static void test_a_small_file_of_many_values_is_read_in_ranges(void **state)
{
    (void)state;
    enum { RANGE = 1000000 };
    ladle_context *context = begin_context();
    ladle_error error = blank_error();
    ladle_file *file = open_test_data(context, "test_int_multicluster_rntuple_v1-0-0-0.root");
    if (file == NULL) {
        end_context(context);
        skip();
    }
    ladle_context_set_budget(context, 8 << 20);
    ladle_table *table = ladle_file_table(file, "ntuple", &error);
    assert_some(table, error);
    int64_t n_entries = ladle_table_n_entries(table);
    assert_int_equal(n_entries, 100000000);
    ladle_reader *reader = ladle_reader_create(context, 1, &error);
    ladle_array array;
    assert_int_equal(ladle_read_column(reader, NULL, table, 0, 0, n_entries, &array, &error), LADLE_BUDGET);
    for (int64_t start = 0; start < n_entries; start += RANGE) {
        assert_ok(ladle_read_column(reader, NULL, table, 0, start, start + RANGE, &array, &error), error);
        const int16_t *values = ladle_lease_data(array.buffers[0]);
        assert_int_equal(ladle_lease_count(array.buffers[0]), RANGE);
        int wanted = start < n_entries / 2 ? 2 : 1;
        for (int64_t i = 0; i < RANGE; i++)
            if (values[i] != wanted)
                fail_msg("entry %lld is %d", (long long)(start + i), values[i]);
        ladle_array_release(&array);
    }
    ladle_memory_info memory = {.struct_size = sizeof memory};
    ladle_context_memory(context, &memory);
    assert_true(memory.peak <= 8 << 20);
    ladle_reader_release(reader);
    ladle_table_release(table);
    ladle_file_release(file);
    end_context(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_forms_are_read),
        cmocka_unit_test(test_each_lie_is_told_or_does_no_harm),
        cmocka_unit_test(test_a_cluster_that_ends_behind_2_63),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_opened_and_read_a_thousand_times),
        cmocka_unit_test(test_a_small_file_of_many_values_is_read_in_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
