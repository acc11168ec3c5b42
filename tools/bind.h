/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of weir bind share: what is to be done, and what is kept of it. */
#ifndef WEIR_TOOL_BIND_H
#define WEIR_TOOL_BIND_H

#include "host.h"

enum what { BIND, UNBIND, RESTORE };

struct job {
    enum what what;
    const char *root, *driver;
    bool group, force, dry, persist;
    int vfs; /* -1: not asked for */
    struct weir_host *host;
};

/* path below j->root. Returns out. */
const char *bind_full(const struct job *j, const char *path, char out[512]);

/* Is there a file at fmt with name in it, below j->root? */
bool bind_there(const struct job *j, const char *fmt, const char *name);

/* ---- bind_kept.c ---- */

/* Where it is remembered until a reboot. */
#define BIND_STATE "/run/weir/bind"

struct state {
    char driver[64], override[64];
};

/* Remember driver and override, unless an earlier state is still to be restored. 0 or -errno. */
int bind_remember(const struct job *j, const struct weir_function *f);

bool bind_recall(const struct job *j, const struct weir_function *f, struct state *s);

/* Nothing is remembered any more of the function of that name. */
void bind_forget(const struct job *j, const char *name);

/* For the next boots, too. 0 or -errno. */
int bind_persist(const struct job *j, const struct weir_function *f);

/* Is anything written for the next boots? With goes, it is no more. */
bool bind_persistent(const struct job *j, const struct weir_function *f, bool goes);

#endif
