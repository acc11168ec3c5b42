/* SPDX-License-Identifier: BSD-3-Clause */
/* A model that a thread with an instance of its own serves on a socket. */
#ifndef WEIR_TESTS_MODEL_REMOTE_H
#define WEIR_TESTS_MODEL_REMOTE_H

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <weir/weir.h>

struct remote {
    char path[64];
    char name[80]; /* of the device */
    struct weir *w;
    struct weir_model *m;
    struct weir_server *s;
    pthread_t thread;
    atomic_bool stop;
    atomic_int failed;
};

static void *remote_serve(void *arg)
{
    struct remote *me = arg;
    while (!atomic_load(&me->stop)) {
        int ret = weir_server_run(me->s, 1000, NULL);
        if (ret) {
            atomic_store(&me->failed, ret);
            break;
        }
    }
    return NULL;
}

static inline void remote_up(struct remote *me, const char *spec)
{
    struct weir_error e;
    snprintf(me->path, sizeof me->path, "/tmp/weir-test-%d.sock", (int)getpid());
    snprintf(me->name, sizeof me->name, "vfio-user:%s", me->path);
    me->w = weir_new(NULL, &e);
    assert_non_null(me->w);
    assert_int_equal(weir_register_builtin(me->w, &e), 0);
    me->m = weir_model_new(me->w, spec, &e);
    assert_non_null(me->m);
    me->s = weir_server_new(me->m, me->path, &e);
    if (!me->s)
        weir_error_print(&e, stderr);
    assert_non_null(me->s);
    atomic_store(&me->stop, false);
    atomic_store(&me->failed, 0);
    assert_int_equal(pthread_create(&me->thread, NULL, remote_serve, me), 0);
}

static inline void remote_down(struct remote *me)
{
    atomic_store(&me->stop, true);
    weir_server_wake(me->s);
    pthread_join(me->thread, NULL);
    assert_int_equal(atomic_load(&me->failed), 0);
    weir_server_free(me->s);
    weir_model_free(me->m);
    weir_free(me->w);
}

#endif
