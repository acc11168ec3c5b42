/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/host/filter.h"
#include "lib/host/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/error.h>

#define MAGIC "weir-snapshot 1"

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo the escapes, in place. */
static bool unescape(char *s)
{
    char *out = s;

    for (; *s; s++) {
        if ((unsigned char)*s < ' ')
            return false;
        if (*s != '\\') {
            *out++ = *s;
        } else if (s[1] == 'n') {
            *out++ = '\n';
            s++;
        } else if (s[1] == 'x' && hex(s[2]) >= 0 && hex(s[3]) >= 0) {
            int c = hex(s[2]) << 4 | hex(s[3]);

            if (c == 0)
                return false;
            *out++ = (char)c;
            s += 3;
        } else {
            return false;
        }
    }
    *out = '\0';
    return true;
}

/* One line: "PATH = TEXT", "PATH -> TARGET", "PATH/", "PATH !". */
static int line(struct weir_table *t, char *text)
{
    enum weir_entry_kind kind;
    size_t len = strlen(text);
    char *value = text + strcspn(text, " ");

    if (*text == '#' || *text == '\0')
        return 0;
    if (*text != '/' || len < 2)
        return -EINVAL;
    if (strncmp(value, " = ", 3) == 0) {
        kind = WEIR_ENTRY_TEXT;
        *value = '\0';
        value += 3;
    } else if (strcmp(value, " =") == 0) {
        kind = WEIR_ENTRY_TEXT;
        *value = '\0';
        value += 2;
    } else if (strncmp(value, " -> ", 4) == 0 && value[4]) {
        kind = WEIR_ENTRY_LINK;
        *value = '\0';
        value += 4;
    } else if (strcmp(value, " !") == 0) {
        kind = WEIR_ENTRY_DENIED;
        *value = '\0';
        value += 2;
    } else if (*value == '\0' && text[len - 1] == '/') {
        kind = WEIR_ENTRY_DIR;
        text[len - 1] = '\0';
        value = text + len;
    } else {
        return -EINVAL;
    }
    if (!unescape(text) || !unescape(value) || strlen(text) > WEIR_TABLE_MAX_PATH)
        return -EINVAL;
    return weir_table_add(t, kind, text, value);
}

int weir_snapshot_parse(struct weir_table *t, char *text, size_t len, const char *name,
                        struct weir_error *e)
{
    const char *twice = "";
    unsigned number = 0;
    bool complete = false;
    char shown[128];
    int r;

    for (char *at = text, *end = text + len, *next; at < end; at = next) {
        char *nl = memchr(at, '\n', (size_t)(end - at));

        number++;
        /* A line that does not end, a NUL: not written by us, or not all of it. */
        if (!nl || memchr(at, '\0', (size_t)(nl - at)))
            goto bad;
        next = nl + 1;
        *nl = '\0';
        if (number == 1 && strcmp(at, MAGIC) != 0)
            return weir_fail(e, -EINVAL, "host-snapshot",
                             "read the snapshot %s\nits first line is not '" MAGIC "'\n"
                             "make one with: weir snapshot -o FILE",
                             name);
        if (number == 1)
            continue;
        if (complete)
            goto bad;
        if (strcmp(at, "end") == 0) {
            complete = true;
            continue;
        }
        r = line(t, at);
        if (r == -ENOMEM || r == -E2BIG)
            return weir_fail(e, r, "host-too-large",
                             "read the snapshot %s\nit holds too much\n"
                             "ask for a file that nobody edited",
                             name);
        if (r)
            goto bad;
    }
    if (!complete)
        return weir_fail(e, -EINVAL, "host-snapshot",
                         "read the snapshot %s\nit has no end: it was cut short\n"
                         "ask for the whole file",
                         name);
    if (weir_table_sort(t, &twice))
        return weir_fail(e, -EINVAL, "host-snapshot",
                         "read the snapshot %s\n%s is in it twice\n"
                         "ask for a file that nobody edited",
                         name, weir_printable(shown, sizeof(shown), twice, strlen(twice)));
    return 0;
bad:
    return weir_fail(e, -EINVAL, "host-snapshot",
                     "read the snapshot %s\nline %u makes no sense\n"
                     "ask for a file that nobody edited",
                     name, number);
}

int weir_snapshot_load(struct weir_table *t, const char *path, struct weir_error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t room = 1 << 16, len = 0;
    char *text = NULL;
    ssize_t n;
    int r = fd < 0 ? -errno : 0;

    while (r == 0) {
        if (!text || len == room) {
            char *more = realloc(text, text ? room *= 2 : room);

            if (!more || room > WEIR_TABLE_MAX_BYTES) {
                text = more ? more : text;
                r = more ? -EFBIG : -ENOMEM;
                break;
            }
            text = more;
        }
        n = read(fd, text + len, room - len);
        if (n < 0 && errno != EINTR)
            r = -errno;
        if (n == 0)
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0)
        close(fd);
    if (r)
        weir_fail(e, r, r == -EFBIG ? "host-too-large" : "host-snapshot",
                  "read the snapshot %s\n%s\nname a file that weir snapshot wrote", path,
                  strerror(-r));
    else
        r = weir_snapshot_parse(t, text, len, path, e);
    free(text);
    return r;
}

static void escaped(FILE *f, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '\n')
            fputs("\\n", f);
        else if (c < ' ' || c == '\\' || c >= 0x7f)
            fprintf(f, "\\x%02x", c);
        else
            fputc(c, f);
    }
}

int weir_snapshot_save(const struct weir_table *t, FILE *f, struct weir_error *e)
{
    static const char *const marks[] = {" = ", " -> ", "/", " !"};
    static const char net[] = "/sys/class/net/";
    const size_t skip = sizeof(net) - 1;
    const char *last = "";
    unsigned macs = UINT_MAX;

    fputs(MAGIC "\n", f);
    for (unsigned i = 0; i < t->n; i++) {
        const struct weir_entry *entry = &t->entries[i];
        const char *path = entry->path;

        /* An interface named after its hardware address gets a number for that. */
        if (strncmp(path, net, skip) == 0 && weir_filter_names_mac(path + skip)) {
            macs += strncmp(path, last, skip + 15) != 0;
            last = path;
            fprintf(f, "%.*s-%u", (int)skip + 3, path, macs);
            path += skip + 15;
        }
        /* A blank ends the path. */
        for (const char *s = path, *blank; *s; s = blank + 1) {
            char part[WEIR_TABLE_MAX_PATH + 1];
            size_t n = strcspn(s, " ");

            blank = s + n;
            snprintf(part, sizeof(part), "%.*s", (int)n, s);
            escaped(f, part);
            if (!*blank)
                break;
            fputs("\\x20", f);
        }
        fputs(marks[entry->kind], f);
        escaped(f, entry->value);
        fputc('\n', f);
    }
    fputs("end\n", f);
    if (fflush(f) || ferror(f))
        return weir_fail(e, -EIO, "host-snapshot",
                         "write the snapshot\n%s\nname a file in a folder that you may write to",
                         strerror(errno));
    return 0;
}
