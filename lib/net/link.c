/* SPDX-License-Identifier: BSD-3-Clause */
/* A port's link and the interrupt that tells of its changes. */
#include "lib/device/backend.h"
#include "lib/net/net.h"
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void weir_port_link(struct weir_port *p, struct weir_link *link)
{
    *link = (struct weir_link){0};
    if (!weir_device_lost(p->device))
        p->ops->link(&p->net, link);
    /* It may have been lost while answering, with all ones. */
    if (weir_device_lost(p->device) || !link->up)
        *link = (struct weir_link){0};
}

void weir_port_check_link(struct weir_port *p)
{
    struct weir_link now;

    weir_port_link(p, &now);
    if (now.up == p->link.up && now.mbps == p->link.mbps)
        return;
    p->link = now;
    if (now.up)
        weir_log(p->weir, WEIR_LOG_INFO, "port", "%s: link up, %u Mb/s", p->device->name, now.mbps);
    else
        weir_log(p->weir, WEIR_LOG_INFO, "port", "%s: link down", p->device->name);
    weir_post(p->weir,
              &(struct weir_event){
                  .type = WEIR_EVENT_LINK, .device = p->device, .port = p, .link_up = now.up});
}

static void irq_ready(struct weir_watch *watch, uint32_t epoll_events)
{
    struct weir_port *p = (struct weir_port *)((char *)watch - offsetof(struct weir_port, irq));
    uint64_t count;

    (void)epoll_events;
    if (read(watch->fd, &count, sizeof(count)) < 0 || !p->started || weir_device_lost(p->device))
        return;
    if (p->ops->irq)
        p->ops->irq(&p->net);
    weir_device_irq_unmask(p->device, p->irq_kind, NULL); /* the cause is acknowledged by now */
    weir_port_check_link(p);
}

int weir_net_irq(struct weir_net *n, struct weir_error *e)
{
    struct weir_port *p = n->port;
    int ret;

    if (p->irq.fd < 0) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        if (fd < 0)
            return weir_fail(e, -errno, "no-descriptors",
                             "set up interrupts\neventfd: %s\nraise the limit on open files: "
                             "ulimit -n",
                             strerror(errno));
        p->irq.ready = irq_ready;
        ret = weir_watch_add(p->weir, &p->irq, fd, false, e);
        if (ret) {
            close(fd);
            return ret;
        }
    }
    /* Each time anew: a reset may have taken it. */
    return weir_user_irq(p->device, p->irq.fd, &p->irq_kind, e);
}

void weir_port_irq_release(struct weir_port *p)
{
    int fd = p->irq.fd;

    if (fd < 0)
        return;
    weir_device_irq_set(p->device, p->irq_kind, 0, 0, NULL, NULL);
    weir_watch_remove(p->weir, &p->irq);
    close(fd);
}
