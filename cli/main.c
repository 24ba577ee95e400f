/* ladle: looks into ROOT files from the command line. */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const cli_verb *const verbs[] = {&cli_verb_ls,  &cli_verb_show, &cli_verb_digest,
                                        &cli_verb_cat, &cli_verb_scan, &cli_verb_doctor};
#define N_VERBS (sizeof verbs / sizeof verbs[0])

static const char budget_help[] = "  --budget SIZE   hold at most SIZE bytes, such as '512 MB' or '1 GiB'\n";

static const char common_help[] = "  --json          machine-readable output\n"
                                  "  -h, --help      this text\n";

static const char reading_help[] =
    "  --start N       first entry; negative counts from the end (also --entry-start)\n"
    "  --stop N        entry to stop before (also --entry-stop)\n"
    "  --threads N     threads that decode (default: LADLE_THREADS, else the processors that\n"
    "                  this process may use, at most 4)\n";

static const char status_help[] =
    "\nExit status: 0 fine; 1 the file or its data is at fault; 2 the call is (also: no such\n"
    "file, table or column).\n";

static void print_help(cli_output *out)
{
    cli_puts(out, "Usage: ladle VERB [OPTION...] FILE...\n\n"
                  "Looks into ROOT files, and tells where the memory of a program is.\n\nVerbs:\n");
    for (size_t i = 0; i < N_VERBS; ++i) {
        cli_printf(out, "  %-15s %s\n", verbs[i]->name, verbs[i]->summary);
    }
    cli_puts(out, "\nOptions:\n"
                  "  -h, --help      this text; 'ladle VERB --help' tells more\n"
                  "  --version       the version of the library\n");
    cli_puts(out, status_help);
}

static void print_verb_help(const cli_verb *verb, cli_output *out)
{
    cli_puts(out, verb->help);
    cli_puts(out, "\nOptions:\n");
    if ((verb->option_flags & CLI_TAKES_READING) != 0) {
        cli_puts(out, reading_help);
    }
    if ((verb->option_flags & CLI_TAKES_BUDGET) != 0) {
        cli_puts(out, budget_help);
    }
    cli_puts(out, common_help);
    cli_puts(out, verb->status_help != NULL ? verb->status_help : status_help);
}

static const cli_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < N_VERBS; ++i) {
        if (strcmp(verbs[i]->name, name) == 0) {
            return verbs[i];
        }
    }
    return NULL;
}

static int run_verb(const cli_verb *verb, int count, char **words, cli_output *out)
{
    cli_options options;
    int status = cli_options_parse(&options, verb->name, verb->option_flags, count, words);
    if (status == CLI_OK && options.help) {
        print_verb_help(verb, out);
    } else if (status == CLI_OK) {
        status = verb->run(&options, out);
    }
    cli_options_release(&options);
    return status;
}

static int run(int count, char **words, cli_output *out)
{
    const char *first = count > 1 ? words[1] : NULL;
    if (first == NULL) {
        cli_complain("no verb given", "try ls, show, digest, cat, scan or doctor; see 'ladle --help'");
        return CLI_CALL;
    }
    if (strcmp(first, "-h") == 0 || strcmp(first, "--help") == 0) {
        print_help(out);
        return CLI_OK;
    }
    if (strcmp(first, "--version") == 0) {
        cli_puts(out, "ladle ");
        cli_puts(out, ladle_version());
        cli_putc(out, '\n');
        return CLI_OK;
    }
    const cli_verb *verb = find_verb(first);
    if (verb == NULL) {
        cli_complain(first, "unknown %s; try ls, show, digest, cat, scan or doctor; see 'ladle --help'",
                     first[0] == '-' ? "option" : "verb");
        return CLI_CALL;
    }
    return run_verb(verb, count - 2, words + 2, out);
}

int main(int count, char **words)
{
    static cli_output out;
    /* A reader that has seen enough (`ladle cat ... | head`) shows as EPIPE: no error, just the
     * end. */
    signal(SIGPIPE, SIG_IGN);
    cli_output_init(&out, STDOUT_FILENO);
    int status = run(count, words, &out);
    cli_flush(&out);
    /* Some file systems report a failed write only here. */
    if (close(STDOUT_FILENO) != 0 && out.os_errno == 0 && errno != EBADF) {
        out.os_errno = errno;
    }
    if (out.os_errno == EPIPE) {
        return status;
    }
    if (out.os_errno != 0) {
        cli_complain("standard output", "%s", strerror(out.os_errno));
        return CLI_DATA;
    }
    return status;
}
