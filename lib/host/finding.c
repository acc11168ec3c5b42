/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/host/finding.h"

#include <stdarg.h>
#include <string.h>
#include <weir/error.h>

static const struct {
    const char *code, *step, *why, *advice;
    enum weir_level level;
} prose[] = {
#define FINDING(name, code, step, level, why, advice) {code, step, why, advice, level},
#include "lib/host/findings.def"
#undef FINDING
};

/* What a file says adds no line: with `weir doctor --commands` it would be one to run. */
static void one_line(char *s)
{
    for (; *s; s++)
        *s = *s < ' ' ? ' ' : *s; /* all is ASCII, see weir_table_add() */
}

void weir_report_what(struct weir_report *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(r->what, sizeof(r->what), fmt, ap);
    va_end(ap);
}

void weir_report_line(char *part, size_t size, const char *fmt, ...)
{
    size_t used = strlen(part), blank = used != 0;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(part + used + blank, size - used - blank, fmt, ap);
    va_end(ap);
    if ((size_t)n >= size - used - blank) {
        part[used] = '\0'; /* half a command is worse than none */
        return;
    }
    one_line(part + used + blank);
    if (blank)
        part[used] = '\n';
}

void weir_report_file(struct weir_report *r, const char *fmt, ...)
{
    char path[512], value[256];
    const struct weir_entry *e;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    e = weir_table_find(&r->h->table, path);
    snprintf(value, sizeof(value), "%.255s", e ? e->value : "");
    if (!e)
        weir_report_add(r->evidence, "%s: not there", path);
    else if (e->kind == WEIR_ENTRY_DENIED)
        weir_report_add(r->evidence, "%s: not allowed to read", path);
    else if (e->kind == WEIR_ENTRY_DIR)
        weir_report_add(r->evidence, "%s: there", path);
    else
        weir_report_add(r->evidence, "%s %s %s", path, e->kind == WEIR_ENTRY_LINK ? "->" : "=",
                        *value ? value : "(empty)");
}

static void hand_out(struct weir_report *r, struct weir_finding *f)
{
    one_line(r->what);
    f->what = r->what;
    f->evidence = r->evidence;
    f->fix = r->fix;
    f->keep = r->keep;
    f->lasts = strstr(r->fix, "/etc/") != NULL; /* all else is state of the kernel */
    f->function = r->function;
    r->blocks += f->level == WEIR_BLOCKS;
    r->fn(r->user, f);
    r->function = weir_function_index(r->h, r->f);
    *r->what = *r->evidence = *r->fix = *r->keep = '\0';
}

void weir_report_say(struct weir_report *r, enum weir_finding_id id)
{
    struct weir_finding f = {.code = prose[id].code,
                             .step = prose[id].step,
                             .level = prose[id].level,
                             .why = prose[id].why,
                             .advice = prose[id].advice};

    hand_out(r, &f);
}

void weir_report_ok(struct weir_report *r, const char *step, const char *fmt, ...)
{
    struct weir_finding f = {.code = "ok", .step = step, .level = WEIR_OK, .why = "", .advice = ""};
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(r->what, sizeof(r->what), fmt, ap);
    va_end(ap);
    hand_out(r, &f);
}

unsigned weir_host_findings(const struct weir_host *h, const struct weir_findings_options *opt,
                            weir_finding_fn *fn, void *user)
{
    struct weir_findings_options o = {0};
    struct weir_report r = {.h = h, .fn = fn, .user = user, .function = -1};
    char shown[64];

    if (opt)
        memcpy(&o, opt, opt->size < sizeof(o) ? opt->size : sizeof(o));
    r.memory = o.memory ? o.memory : (uint64_t)64 << 20;
    if (o.device) {
        r.f = weir_host_find(h, o.device);
        r.function = weir_function_index(h, r.f);
    }
    if (o.device && !r.f) {
        weir_printable(shown, sizeof(shown), o.device, strlen(o.device));
        weir_report_what(&r, "there is no PCI function %s", shown);
        weir_report_add(r.evidence, SYS_PCI "%s: not there", shown);
        weir_report_say(&r, FINDING_DEVICE_MISSING);
    }
    weir_check_platform(&r);
    if (r.f) {
        weir_check_driver(&r);
        weir_check_group(&r);
    }
    weir_check_isolation(&r);
    weir_check_memory(&r);
    return r.blocks;
}
