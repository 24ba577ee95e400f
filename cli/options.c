#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

static char *copy_text(const char *text, size_t nbytes)
{
    char *copy = malloc(nbytes + 1);
    if (copy != NULL) {
        memcpy(copy, text, nbytes);
        copy[nbytes] = '\0';
    }
    return copy;
}

static bool is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

/* Offset of the colon to split at; the length of `text` for none. `path` is a scratch copy. */
static size_t find_split(const char *text, char *path)
{
    size_t length = strlen(text);
    if (is_file(text)) {
        return length;
    }
    size_t last_colon = length;
    for (size_t i = length; i-- > 0;) {
        if (text[i] != ':') {
            continue;
        }
        if (last_colon == length) {
            last_colon = i;
        }
        path[i] = '\0';
        if (is_file(path)) {
            return i;
        }
    }
    /* No such file: what the message should call the file is a matter of taste. */
    const char *extension = ".root";
    size_t extension_length = strlen(extension);
    bool plausible = last_colon >= extension_length && last_colon < length &&
                     strncmp(text + last_colon - extension_length, extension, extension_length) == 0;
    return plausible ? last_colon : length;
}

bool cli_split_path(const char *text, char **file, char **table)
{
    size_t length = strlen(text);
    *file = NULL;
    *table = NULL;
    char *path = copy_text(text, length);
    if (path == NULL) {
        return false;
    }
    size_t split = find_split(text, path);
    free(path);
    *file = copy_text(text, split);
    if (*file != NULL && split + 1 < length) {
        *table = copy_text(text + split + 1, length - split - 1);
        if (*table == NULL) {
            free(*file);
            *file = NULL;
        }
    }
    return *file != NULL;
}

/* Factor of a unit such as "MB" or "mib"; 0 for what is none. */
static double unit_factor(const char *unit)
{
    static const char prefixes[] = "kmgtpe";
    char lower[4] = {0};
    size_t length = strlen(unit);
    if (length > 3) {
        return 0;
    }
    for (size_t i = 0; i < length; ++i) {
        lower[i] = (char)tolower((unsigned char)unit[i]);
    }
    if (length == 0 || strcmp(lower, "b") == 0) {
        return 1;
    }
    const char *prefix = strchr(prefixes, lower[0]);
    if (prefix == NULL || (strcmp(lower + 1, "b") != 0 && strcmp(lower + 1, "ib") != 0)) {
        return 0;
    }
    double base = lower[1] == 'i' ? 1024 : 1000;
    double factor = base;
    for (; prefix > prefixes; --prefix) {
        factor *= base;
    }
    return factor;
}

bool cli_parse_size(const char *text, int64_t *nbytes)
{
    /* strtod alone would take "inf", "0x10" and blanks before a sign. */
    if (!isdigit((unsigned char)text[0]) || tolower((unsigned char)text[1]) == 'x') {
        return false;
    }
    char *end;
    double number = strtod(text, &end);
    while (*end == ' ') {
        ++end;
    }
    number *= unit_factor(end);
    if (unit_factor(end) == 0 || !(number < 9.2e18)) {
        return false;
    }
    *nbytes = (int64_t)number;
    return true;
}

static bool parse_integer(const char *text, int64_t low, int64_t high, int64_t *value)
{
    char *end;
    if (!isdigit((unsigned char)text[0]) && text[0] != '-') {
        return false;
    }
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < low || number > high) {
        return false;
    }
    *value = number;
    return true;
}

typedef enum option_id {
    OPT_JSON,
    OPT_HELP,
    OPT_BUDGET,
    OPT_THREADS,
    OPT_START,
    OPT_STOP,
    OPT_STEP,
    OPT_COLUMNS,
    OPT_ALLOCATORS,
    OPT_REPEAT,
    OPT_REPORT,
    OPT_INTERVAL,
    OPT_MAP,
    OPT_STACKS,
    OPT_NO_PROBE
} option_id;

static const struct option_word {
    const char *word;
    option_id id;
    bool has_value;
    unsigned needs; /* CLI_TAKES_* that the verb must have, or 0 */
} option_words[] = {
    {"--json", OPT_JSON, false, 0},
    {"--help", OPT_HELP, false, 0},
    {"-h", OPT_HELP, false, 0},
    {"--budget", OPT_BUDGET, true, CLI_TAKES_BUDGET},
    {"--threads", OPT_THREADS, true, CLI_TAKES_READING},
    {"--start", OPT_START, true, CLI_TAKES_READING},
    {"--entry-start", OPT_START, true, CLI_TAKES_READING},
    {"--stop", OPT_STOP, true, CLI_TAKES_READING},
    {"--entry-stop", OPT_STOP, true, CLI_TAKES_READING},
    {"--step", OPT_STEP, true, CLI_TAKES_SCAN},
    {"--columns", OPT_COLUMNS, true, CLI_TAKES_SCAN},
    {"--allocators", OPT_ALLOCATORS, true, CLI_TAKES_COMMAND},
    {"--repeat", OPT_REPEAT, true, CLI_TAKES_COMMAND},
    {"--out", OPT_REPORT, true, CLI_TAKES_COMMAND},
    {"--interval", OPT_INTERVAL, true, CLI_TAKES_COMMAND},
    {"--map", OPT_MAP, false, CLI_TAKES_COMMAND},
    {"--stacks", OPT_STACKS, false, CLI_TAKES_COMMAND},
    {"--no-probe", OPT_NO_PROBE, false, CLI_TAKES_COMMAND},
};

static const struct option_word *find_option(const char *word, size_t length, unsigned flags)
{
    for (size_t i = 0; i < sizeof option_words / sizeof option_words[0]; ++i) {
        const struct option_word *option = &option_words[i];
        if (strlen(option->word) == length && strncmp(option->word, word, length) == 0 &&
            (option->needs & ~flags) == 0) {
            return option;
        }
    }
    return NULL;
}

/* Stores a value; returns what it should have been, or NULL where it is fine. */
static const char *set_option(cli_options *options, option_id id, const char *value)
{
    int64_t number = 0;
    switch (id) {
    case OPT_JSON: options->json = true; break;
    case OPT_HELP: options->help = true; break;
    case OPT_BUDGET:
        if (!cli_parse_size(value, &options->budget) || options->budget == 0) {
            return "a size such as '512 MB' or '1 GiB'";
        }
        break;
    case OPT_STEP:
        if (!cli_parse_size(value, &options->step) || options->step == 0) {
            return "a size such as '20 MB'";
        }
        break;
    case OPT_COLUMNS: options->patterns[options->patterns_count++] = value; break;
    case OPT_THREADS:
        if (!parse_integer(value, 1, 1024, &number)) {
            return "a number from 1 to 1024";
        }
        options->threads = (int32_t)number;
        break;
    case OPT_START:
        options->has_start = true;
        if (!parse_integer(value, INT64_MIN, INT64_MAX, &options->start)) {
            return "an entry number";
        }
        break;
    case OPT_STOP:
        options->has_stop = true;
        if (!parse_integer(value, INT64_MIN, INT64_MAX, &options->stop)) {
            return "an entry number";
        }
        break;
    case OPT_ALLOCATORS: options->allocators = value; break;
    case OPT_REPORT: options->report = value; break;
    case OPT_REPEAT:
        if (!parse_integer(value, 1, 100, &number)) {
            return "a number from 1 to 100";
        }
        options->repeat = (int32_t)number;
        break;
    case OPT_INTERVAL:
        if (!parse_integer(value, 1, 60000, &number)) {
            return "a number of milliseconds from 1 to 60000";
        }
        options->interval_ms = (int32_t)number;
        break;
    case OPT_MAP: options->map = true; break;
    case OPT_STACKS: options->stacks = true; break;
    case OPT_NO_PROBE: options->no_probe = true; break;
    }
    return NULL;
}

/* Handles the option at words[*index], and its value. Returns an exit status. */
static int take_option(cli_options *options, const char *verb, unsigned flags, int count, char **words, int *index)
{
    const char *word = words[*index];
    const char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    size_t length = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct option_word *option = find_option(word, length, flags);
    if (option == NULL) {
        cli_complain(verb, "unknown option '%.*s'; see 'ladle %s --help'", (int)length, word, verb);
        return CLI_CALL;
    }
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (!option->has_value && value != NULL) {
        cli_complain(verb, "option %s takes no value", option->word);
        return CLI_CALL;
    }
    if (option->has_value && value == NULL) {
        if (*index + 1 == count) {
            cli_complain(verb, "option %s needs a value", option->word);
            return CLI_CALL;
        }
        value = words[++*index];
    }
    const char *wanted = set_option(options, option->id, value);
    if (wanted != NULL) {
        cli_complain(verb, "option %s: '%s' is not %s", option->word, value, wanted);
        return CLI_CALL;
    }
    return CLI_OK;
}

/* The first word without a dash is the file, the others are names. */
static int take_words(cli_options *options, const char *verb, unsigned flags, int count, const char **words)
{
    const char *form = (flags & CLI_TAKES_TABLE) != 0 ? "FILE[:TABLE]" : "FILE";
    if ((flags & CLI_TAKES_COMMAND) != 0) {
        options->names_count = count;
        if (count == 0) {
            cli_complain(verb, "no command given: ladle %s -- COMMAND...; see 'ladle %s --help'", verb, verb);
            return CLI_CALL;
        }
        return CLI_OK;
    }
    if (count == 0) {
        cli_complain(verb, "no file given: ladle %s %s; see 'ladle %s --help'", verb, form, verb);
        return CLI_CALL;
    }
    if ((flags & (CLI_TAKES_NAMES | CLI_TAKES_SCAN)) == 0 && count > 1) {
        cli_complain(verb, "one file at a time: '%s' is too much", words[1]);
        return CLI_CALL;
    }
    bool split = (flags & CLI_TAKES_TABLE) != 0;
    if (split ? !cli_split_path(words[0], &options->file, &options->table)
              : (options->file = copy_text(words[0], strlen(words[0]))) == NULL) {
        cli_complain(verb, "out of memory");
        return CLI_DATA;
    }
    options->names_count = count - 1;
    memmove(words, words + 1, (size_t)(count - 1) * sizeof *words);
    return CLI_OK;
}

int cli_options_parse(cli_options *options, const char *verb, unsigned flags, int count, char **words)
{
    memset(options, 0, sizeof *options);
    options->names = malloc(((size_t)count + 1) * sizeof *options->names);
    options->patterns = malloc(((size_t)count + 1) * sizeof *options->patterns);
    if (options->names == NULL || options->patterns == NULL) {
        cli_complain(verb, "out of memory");
        return CLI_DATA;
    }
    int plain = 0;
    bool options_ended = false;
    for (int i = 0; i < count; ++i) {
        if (options_ended || words[i][0] != '-' || words[i][1] == '\0') {
            options->names[plain++] = words[i];
            options_ended = options_ended || (flags & CLI_TAKES_COMMAND) != 0;
        } else if (strcmp(words[i], "--") == 0) {
            options_ended = true;
        } else {
            int status = take_option(options, verb, flags, count, words, &i);
            if (status != CLI_OK) {
                return status;
            }
        }
    }
    if (options->help) {
        return CLI_OK;
    }
    return take_words(options, verb, flags, plain, options->names);
}

void cli_options_release(cli_options *options)
{
    free(options->file);
    free(options->table);
    free(options->names);
    free(options->patterns);
    memset(options, 0, sizeof *options);
}

/* One end of a Python slice: counted from the end if negative, cut to 0 ... n. */
static int64_t slice_end(int64_t value, int64_t n)
{
    if (value < 0) {
        return value < -n ? 0 : value + n;
    }
    return value > n ? n : value;
}

bool cli_entry_range(const cli_options *options, int64_t n_entries, int64_t *start, int64_t *stop)
{
    *start = options->has_start ? slice_end(options->start, n_entries) : 0;
    *stop = options->has_stop ? slice_end(options->stop, n_entries) : n_entries;
    return *start <= *stop;
}
