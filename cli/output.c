#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cli_output_init(cli_output *out, int descriptor)
{
    out->descriptor = descriptor;
    out->os_errno = 0;
    out->used = 0;
    out->kept = NULL;
    out->kept_nbytes = out->kept_capacity = 0;
}

void cli_output_init_memory(cli_output *out)
{
    cli_output_init(out, -1);
}

void cli_output_release(cli_output *out)
{
    free(out->kept);
    cli_output_init(out, -1);
}

static void keep(cli_output *out)
{
    size_t needed = out->kept_nbytes + out->used;
    if (out->os_errno == 0 && needed > out->kept_capacity) {
        char *grown = realloc(out->kept, needed * 2);
        if (grown == NULL) {
            out->os_errno = ENOMEM;
        } else {
            out->kept = grown;
            out->kept_capacity = needed * 2;
        }
    }
    if (out->os_errno == 0) {
        memcpy(out->kept + out->kept_nbytes, out->buffer, out->used);
        out->kept_nbytes = needed;
    }
    out->used = 0;
}

void cli_flush(cli_output *out)
{
    if (out->descriptor < 0) {
        keep(out);
        return;
    }
    size_t done = 0;
    while (done < out->used && out->os_errno == 0) {
        ssize_t written = write(out->descriptor, out->buffer + done, out->used - done);
        if (written > 0) {
            done += (size_t)written;
        } else if (written == 0) {
            out->os_errno = EIO;
        } else if (errno != EINTR) {
            out->os_errno = errno;
        }
    }
    out->used = 0;
}

bool cli_output_failed(const cli_output *out)
{
    return out->os_errno != 0;
}

void cli_write(cli_output *out, const char *data, size_t nbytes)
{
    while (nbytes > 0 && out->os_errno == 0) {
        if (out->used == sizeof out->buffer) {
            cli_flush(out);
        }
        size_t room = sizeof out->buffer - out->used;
        size_t part = nbytes < room ? nbytes : room;
        memcpy(out->buffer + out->used, data, part);
        out->used += part;
        data += part;
        nbytes -= part;
    }
}

void cli_puts(cli_output *out, const char *text)
{
    cli_write(out, text, strlen(text));
}

void cli_putc(cli_output *out, char character)
{
    if (out->used == sizeof out->buffer) {
        cli_flush(out);
    }
    if (out->os_errno == 0) {
        out->buffer[out->used++] = character;
    }
}

/* For short lines of numbers: text of any length goes through cli_puts or cli_put_text. */
void cli_printf(cli_output *out, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof line) {
        out->os_errno = out->os_errno != 0 ? out->os_errno : EOVERFLOW;
        return;
    }
    cli_write(out, line, (size_t)length);
}

size_t cli_utf8_length(const char *text, size_t nbytes, size_t *skip)
{
    const unsigned char *byte = (const unsigned char *)text;
    unsigned char lead = byte[0];
    /* Bounds of the second byte exclude overlong forms, surrogates and what is past U+10FFFF. */
    unsigned char low = 0x80, high = 0xbf;
    size_t length;
    *skip = 1;
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        length = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        length = 3;
        low = lead == 0xe0 ? 0xa0 : low;
        high = lead == 0xed ? 0x9f : high;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4;
        low = lead == 0xf0 ? 0x90 : low;
        high = lead == 0xf4 ? 0x8f : high;
    } else {
        return 0;
    }
    for (size_t i = 1; i < length; ++i) {
        if (i == nbytes || byte[i] < low || byte[i] > high) {
            *skip = i;
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

/* C0, DEL and C1: a terminal obeys all three. */
static bool is_control(const unsigned char *byte, size_t length)
{
    return byte[0] < 0x20 || byte[0] == 0x7f || (length == 2 && byte[0] == 0xc2 && byte[1] < 0xa0);
}

/* The next visible piece of `text`: its bytes in `piece` (at most 8, terminated), how many bytes of
 * text it stands for, and the characters it takes. */
static size_t next_piece(const char *text, char piece[9], size_t *width)
{
    size_t skip;
    size_t length = cli_utf8_length(text, strlen(text), &skip);
    if (length != 0 && !is_control((const unsigned char *)text, length)) {
        memcpy(piece, text, length);
        piece[length] = '\0';
        *width = 1;
        return length;
    }
    snprintf(piece, 9, "\\x%02x", (unsigned)(unsigned char)text[0]);
    *width = 4;
    return 1;
}

void cli_put_text(cli_output *out, const char *text, size_t width)
{
    char piece[9];
    size_t total = 0;
    while (*text != '\0') {
        size_t piece_width;
        text += next_piece(text, piece, &piece_width);
        total += piece_width;
        cli_puts(out, piece);
    }
    for (; total < width; ++total) {
        cli_putc(out, ' ');
    }
}

size_t cli_text_width(const char *text)
{
    char piece[9];
    size_t total = 0;
    while (*text != '\0') {
        size_t piece_width;
        text += next_piece(text, piece, &piece_width);
        total += piece_width;
    }
    return total;
}

void cli_visible(const char *text, char *out, size_t size)
{
    char piece[9];
    size_t used = 0;
    while (*text != '\0') {
        size_t piece_width;
        text += next_piece(text, piece, &piece_width);
        size_t length = strlen(piece);
        if (used + length >= size) {
            break;
        }
        memcpy(out + used, piece, length);
        used += length;
    }
    out[used] = '\0';
}
