/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The library instance, its log and its events. Including this header includes the whole stable
 * interface.
 *
 * Weir keeps no global state: everything hangs off a `struct weir`, and a process may have several.
 * It starts no thread, installs no signal handler, never exits and never prints; what it has to say
 * goes to the log sink the caller gives.
 *
 * @code
 * struct weir *w = weir_new(NULL, &err);
 * weir_register_builtin(w, &err);
 * ...
 * struct weir_event ev[8];
 * int n = weir_events(w, ev, 8);  // never blocks; poll weir_event_fd(w) to wait
 * ...
 * weir_free(w);
 * @endcode
 *
 * Threads: calls on one instance and the objects made from it come from one thread at a time,
 * except where a header says otherwise (queues and packet caches belong to the thread that uses
 * them; weir_rx_burst() and weir_tx_burst() never touch the instance).
 */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include <weir/arena.h>
#include <weir/channel.h>
#include <weir/device.h>
#include <weir/error.h>
#include <weir/gather.h>
#include <weir/host.h>
#include <weir/io.h>
#include <weir/model.h>
#include <weir/pkt.h>
#include <weir/port.h>
#include <weir/space.h>
#include <weir/superpage.h>
#include <weir/types.h>

WEIR_BEGIN_DECLS

#define WEIR_VERSION "0.1.0"

/** Version of the library that is running, "major.minor.patch". */
const char *weir_version(void);

enum weir_log_level {
    WEIR_LOG_ERROR,   /**< something failed that nobody will be told of by a return value */
    WEIR_LOG_WARNING, /**< it works, but at a cost the user should know */
    WEIR_LOG_INFO,    /**< milestones: device opened, link up */
    WEIR_LOG_DEBUG,   /**< every mapping, message and register of note */
};

/**
 * Receives one line of log, without newline. Called from the thread that made the library call; it
 * must not call back into the same instance.
 */
typedef void weir_log_fn(void *user, enum weir_log_level level, const char *part, const char *text);

struct weir_options {
    size_t size;      /**< sizeof(struct weir_options) */
    weir_log_fn *log; /**< NULL: silence */
    void *log_user;
    enum weir_log_level log_level; /**< most detailed level wanted */
};

/**
 * Make an instance. @a opt may be NULL for the defaults (no log).
 * @return NULL with @a e filled when out of memory or file descriptors.
 */
struct weir *weir_new(const struct weir_options *opt, struct weir_error *e);

/**
 * Free an instance and everything made from it that still exists, in a safe order: ports are
 * stopped, devices quiesced and closed, spaces and arenas unmapped. NULL is fine.
 */
void weir_free(struct weir *w);

/** A log sink that prints to @a user, a FILE pointer (NULL: stderr). */
weir_log_fn weir_log_stdio;

enum weir_event_type {
    WEIR_EVENT_LOST, /**< the device is gone; its registers read all ones, its bursts return 0 */
    WEIR_EVENT_RETURNED,     /**< a lost device can be opened again: weir_port_recover() */
    WEIR_EVENT_LINK,         /**< link went up or down; see weir_port_link() */
    WEIR_EVENT_REQUEST,      /**< the host wants the device back: weir_port_release(), or close it.
                                  Who asks, for example by unbinding the driver, waits for it. */
    WEIR_EVENT_DEVICE_ERROR, /**< the device reported an unrecoverable error */
};

/** Something that happened to a device. */
struct weir_event {
    enum weir_event_type type;
    struct weir_device *device;
    struct weir_port *port; /**< the port on that device, or NULL */
    bool link_up;           /**< for WEIR_EVENT_LINK */
};

/** A descriptor that polls readable when weir_events() has something to do. Owned by the instance.
 */
int weir_event_fd(const struct weir *w);

/**
 * Do pending work (notice lost devices, flush doorbells a slow peer did not take, ask returning
 * devices) and fill at most @a max events. Never blocks. A forwarder calls it about every
 * millisecond or when weir_event_fd() is readable.
 * @return number of events
 */
unsigned weir_events(struct weir *w, struct weir_event *ev, unsigned max);

/** Text for an event type: "lost", "returned", ... */
const char *weir_event_name(enum weir_event_type type);

/** Register all drivers and models that this library was built with. */
int weir_register_builtin(struct weir *w, struct weir_error *e);

WEIR_END_DECLS

#endif
