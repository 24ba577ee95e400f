/* doctor_page.h: the report of `ladle doctor` as one HTML file that needs nothing else: no network, no second file.
 *
 * The page itself is doctor_page.html with doctor_page.css and the scripts doctor_page*.js; cmake/LadlePage.cmake
 * joins them and makes them part of the tool. The page draws what is in the JSON and keeps it for download.
 */
#ifndef LADLE_CLI_DOCTOR_PAGE_H
#define LADLE_CLI_DOCTOR_PAGE_H

#include <stddef.h>

#include "output.h"

/* Writes the page with `json`, the object of `ladle doctor --json`, in it. Whatever strings are in the object, they
 * stay text: what could end the script element is escaped, and bytes that are not UTF-8 become U+FFFD. An object that
 * is cut or has NaN for a number makes a page that says so. Look at cli_output_failed afterwards. */
void cli_doctor_page(cli_output *out, const char *json, size_t nbytes);

/* The page before and after the JSON; made by cmake/EmbedPage.cmake. */
extern const char cli_doctor_page_head[], cli_doctor_page_tail[];
extern const size_t cli_doctor_page_head_nbytes, cli_doctor_page_tail_nbytes;

#endif
