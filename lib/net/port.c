/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports from opening to closing. The order of teardown is the point: no queue runs and the device
 * masters no bus before its rings are freed and its memory leaves the IOMMU.
 */
#include "lib/device/backend.h"
#include "lib/core/clock.h"
#include "lib/net/net.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Any thread may notice a loss; from then on all bursts do nothing. */
static void on_lost(struct weir_device *d)
{
    weir_port_silence(d->port);
}

static void object_free(struct weir_object *o)
{
    weir_port_close((struct weir_port *)o); /* user, and in it object, come first */
}

/* Free a port, whatever of it exists; the device stays. */
static void release(struct weir_port *p)
{
    struct weir_net *n = &p->net;

    p->device->on_lost = NULL;
    p->device->port = NULL;
    if (p->opened) {
        weir_port_free_caches(p);
        p->ops->close(n);
    }
    weir_port_irq_release(p);
    weir_user_unmap(&p->user);
    weir_unpost(p->weir, NULL, p);
    weir_object_remove(&p->user.object);
    free(n->rxq);
    free(n->txq);
    free(p);
}

struct weir_port *weir_port_new(struct weir_device *d, const struct weir_port_options *opt,
                                struct weir_error *e)
{
    const struct weir_driver *driver;
    struct weir_port_options o;
    struct weir_port *p;
    struct weir_net *n;

    if (d->port || d->channel) {
        weir_fail(e, -EBUSY, "device-busy",
                  "open a port on %s\na %s uses it already\nclose that first", d->name,
                  d->port ? "port" : "channel");
        return NULL;
    }
    driver = weir_user_driver(d, WEIR_CLASS_NET, "a port", e);
    if (!driver || weir_port_resolve(&driver->net->limits, driver->name, opt, &o, e))
        return NULL;

    p = calloc(1, sizeof(*p));
    if (!p) {
        weir_fail(e, -ENOMEM, "no-memory", "open a port on %s\nout of memory", d->name);
        return NULL;
    }
    p->weir = d->weir;
    p->device = d;
    p->driver = driver;
    p->ops = driver->net;
    p->irq.fd = -1;
    memcpy(p->rss_key, o.rss_key, sizeof(p->rss_key));
    o.rss_key = p->rss_key;
    n = &p->net;
    n->weir = d->weir;
    n->port = p;
    n->device = d;
    n->pool = o.pool;
    n->arena = p->user.arena = weir_pktpool_arena(o.pool);
    p->user.space = d->space;
    n->opt = o;
    memcpy(n->mac, o.mac, sizeof(n->mac));
    n->rxq = calloc(o.rx_queues, sizeof(*n->rxq));
    n->txq = calloc(o.tx_queues, sizeof(*n->txq));
    if (!n->rxq || !n->txq) {
        weir_fail(e, -ENOMEM, "no-memory", "open a port on %s\nout of memory", d->name);
        release(p);
        return NULL;
    }
    if (weir_user_map(&p->user, e) || p->ops->open(n, e)) {
        release(p);
        return NULL;
    }
    p->opened = true;
    memcpy(n->opt.mac, n->mac, sizeof(n->opt.mac));
    weir_port_silence(p);
    weir_object_add(p->weir, &p->user.object, WEIR_RANK_PORT, object_free);
    d->port = p;
    d->on_lost = on_lost;
    return p;
}

struct weir_port *weir_port_open(struct weir *w, const char *name,
                                 const struct weir_port_options *opt, struct weir_error *e)
{
    struct weir_device *d = weir_device_open(w, name, NULL, e);
    struct weir_port *p = d ? weir_port_new(d, opt, e) : NULL;

    if (!p)
        weir_device_close(d);
    return p;
}

void weir_port_close(struct weir_port *p)
{
    struct weir_device *d;

    if (!p)
        return;
    d = p->device;
    weir_port_stop(p, NULL);
    weir_device_bus_master(d, false, NULL);
    release(p);
    weir_device_close(d);
}

static int fail_lost(const struct weir_port *p, const char *doing, struct weir_error *e)
{
    return weir_fail(e, -ENODEV, "device-lost",
                     "%s\n%s is lost\nwait for WEIR_EVENT_RETURNED, then call weir_port_recover()",
                     doing, p->device->name);
}

static void wait_for_link(struct weir_port *p)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    uint64_t end = weir_now_ns() + p->net.opt.link_wait_ms * UINT64_C(1000000);

    while (weir_now_ns() < end && !p->link.up) {
        if (weir_device_lost(p->device))
            return;
        nanosleep(&pause, NULL);
        weir_port_check_link(p);
    }
}

/* Take all buffers back to the pool. */
static void halt(struct weir_port *p)
{
    p->started = false;
    weir_port_silence(p);
    p->ops->stop(&p->net);
    weir_port_spill_caches(p);
}

int weir_port_start(struct weir_port *p, struct weir_error *e)
{
    int ret;

    if (p->started)
        return weir_fail(e, -EALREADY, "port-started",
                         "start the port on %s\nit is started already\n", p->device->name);
    if (weir_device_lost(p->device))
        return fail_lost(p, "start a port", e);
    ret = weir_port_make_caches(p, e);
    if (!ret)
        ret = p->ops->start(&p->net, e);
    /* The bursts are in place now. If the loss was noticed before that, nobody silenced them. */
    if (!ret && weir_device_lost(p->device))
        ret = fail_lost(p, "start a port", e);
    if (ret) {
        halt(p);
        return ret;
    }
    p->started = true;
    p->restart = false;
    weir_port_check_link(p);
    wait_for_link(p);
    return 0;
}

int weir_port_stop(struct weir_port *p, struct weir_error *e)
{
    (void)e;
    p->restart = false;
    if (p->started)
        halt(p);
    return 0;
}

int weir_port_release(struct weir_port *p, struct weir_error *e)
{
    if (p->started && p->device->ops->release) { /* else it is refused, and goes on */
        halt(p);
        p->restart = true;
    }
    return weir_device_release(p->device, e);
}

int weir_port_recover(struct weir_port *p, struct weir_error *e)
{
    int ret = 0;

    if (!weir_device_lost(p->device) && !p->restart)
        return weir_fail(e, -EINVAL, "device-not-lost",
                         "recover the port on %s\nits device is not lost\n"
                         "call this after WEIR_EVENT_RETURNED",
                         p->device->name);
    if (p->started) {
        halt(p);
        p->restart = true;
    }
    p->link = (struct weir_link){0};
    if (weir_device_lost(p->device)) /* else an earlier attempt got that far */
        ret = weir_device_reopen(p->device, e);
    if (ret || !p->restart)
        return ret;
    ret = weir_port_start(p, e);
    if (!ret)
        weir_log(p->weir, WEIR_LOG_INFO, "port", "%s: recovered", p->device->name);
    return ret;
}

void weir_port_info(const struct weir_port *p, struct weir_port_info *info)
{
    const struct weir_net *n = &p->net;

    *info = (struct weir_port_info){
        .device = p->device->name,
        .driver = p->driver->name,
        .rx_path = n->rx_path ? n->rx_path : "none",
        .tx_path = n->tx_path ? n->tx_path : "none",
        .rx_queues = n->opt.rx_queues,
        .tx_queues = n->opt.tx_queues,
        .rx_ring = n->opt.rx_ring,
        .tx_ring = n->opt.tx_ring,
        .max_rx_queues = p->ops->limits.max_rx_queues,
        .max_tx_queues = p->ops->limits.max_tx_queues,
        .mtu = n->opt.mtu,
        .max_mtu = p->ops->limits.max_mtu,
        .promiscuous = n->opt.promiscuous,
        .started = p->started,
        .lost = weir_device_lost(p->device),
    };
    memcpy(info->mac, n->mac, sizeof(info->mac));
}

struct weir_device *weir_port_device(const struct weir_port *p)
{
    return p->device;
}

int weir_port_set_promiscuous(struct weir_port *p, bool on, struct weir_error *e)
{
    int ret;

    if (weir_device_lost(p->device))
        return fail_lost(p, "set promiscuous mode", e);
    ret = p->ops->set_promiscuous(&p->net, on, e);
    if (!ret)
        p->net.opt.promiscuous = on;
    return ret;
}

int weir_port_set_mac(struct weir_port *p, const uint8_t mac[6], struct weir_error *e)
{
    static const uint8_t zero[6];
    int ret;

    if (mac[0] & 1 || !memcmp(mac, zero, 6))
        return weir_fail(e, -EINVAL, "port-mac",
                         "set the address of %s\n%02x:%02x:%02x:%02x:%02x:%02x is %s\n"
                         "use a unicast address: its first byte is even",
                         p->device->name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
                         mac[0] & 1 ? "a multicast address" : "no address");
    if (weir_device_lost(p->device))
        return fail_lost(p, "set an address", e);
    ret = p->ops->set_mac(&p->net, mac, e);
    if (!ret) {
        memcpy(p->net.mac, mac, 6);
        memcpy(p->net.opt.mac, mac, 6);
    }
    return ret;
}

int weir_port_set_rss(struct weir_port *p, const uint8_t *key, const uint8_t *reta, unsigned n_reta,
                      struct weir_error *e)
{
    unsigned size = p->ops->limits.reta_size;
    int ret;

    if (!p->ops->set_rss || !size)
        return weir_fail(e, -ENOTSUP, "port-rss", "set the RSS table of %s\ndriver %s has no RSS\n",
                         p->device->name, p->driver->name);
    if (reta && n_reta != size)
        return weir_fail(e, -EINVAL, "port-rss",
                         "set the RSS table of %s\n%u entries were given, the device has %u\n"
                         "give exactly as many",
                         p->device->name, n_reta, size);
    for (unsigned i = 0; reta && i < size; i++)
        if (reta[i] >= p->net.opt.rx_queues)
            return weir_fail(e, -EINVAL, "port-rss",
                             "set the RSS table of %s\nentry %u names queue %u, the port has %u "
                             "receive queues\nname queues from 0 to %u",
                             p->device->name, i, reta[i], p->net.opt.rx_queues,
                             p->net.opt.rx_queues - 1);
    if (weir_device_lost(p->device))
        return fail_lost(p, "set the RSS table", e);
    ret = p->ops->set_rss(&p->net, key, reta, e);
    if (!ret && key)
        memcpy(p->rss_key, key, sizeof(p->rss_key));
    return ret;
}
