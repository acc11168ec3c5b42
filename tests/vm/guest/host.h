// SPDX-License-Identifier: BSD-3-Clause
// The dialog of a guest program with its case's host function: lines over the third serial port.
#ifndef TESTS_VM_GUEST_HOST_H
#define TESTS_VM_GUEST_HOST_H

#include <stdio.h>
#include <string.h>

static inline void host_say(const char *line)
{
    FILE *port = fopen("/dev/ttyS2", "w");

    if (!port)
        return;
    fprintf(port, "%s\n", line);
    fclose(port); // waits until it is out
}

// The next line from the host, without its end; "" when there is none to come.
static inline const char *host_hear(char *line, size_t size)
{
    FILE *port = fopen("/dev/ttyS2", "r");

    line[0] = '\0';
    if (port && !fgets(line, (int)size, port))
        line[0] = '\0';
    if (port)
        fclose(port);
    line[strcspn(line, "\n")] = '\0';
    return line;
}

#endif
