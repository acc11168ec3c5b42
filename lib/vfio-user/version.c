/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/vfio-user/version.h"
#include "lib/vfio-user/proto.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <weir/error.h>

#define DEPTH 8 /* two levels carry all there is; a hostile text must not cost a deep stack */

static const struct {
    const char *name;
    unsigned cap;
    size_t at; /* in struct weir_vfu_caps */
} numbers[] = {
    {"max_msg_fds", WEIR_VFU_CAP_MAX_FDS, offsetof(struct weir_vfu_caps, max_fds)},
    {"max_data_xfer_size", WEIR_VFU_CAP_MAX_DATA, offsetof(struct weir_vfu_caps, max_data)},
    {"max_dma_maps", WEIR_VFU_CAP_MAX_MAPS, offsetof(struct weir_vfu_caps, max_maps)},
    {"pgsizes", WEIR_VFU_CAP_PGSIZES, offsetof(struct weir_vfu_caps, pgsizes)},
};
#define N_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static int read_caps(struct json_object *caps_json, struct weir_vfu_caps *caps, char *why,
                     size_t why_size)
{
    struct json_object *value;

    for (size_t i = 0; i < N_NUMBERS; i++) {
        if (!json_object_object_get_ex(caps_json, numbers[i].name, &value))
            continue;
        if (!json_object_is_type(value, json_type_int) ||
            (json_object_get_int64(value) < 0 && json_object_get_uint64(value) == 0)) {
            snprintf(why, why_size, "its %s is not a whole number", numbers[i].name);
            return -EINVAL;
        }
        uint64_t n = json_object_get_uint64(value);
        memcpy((char *)caps + numbers[i].at, &n, sizeof(n));
        caps->named |= numbers[i].cap;
    }
    if (json_object_object_get_ex(caps_json, "write_multiple", &value)) {
        if (!json_object_is_type(value, json_type_boolean)) {
            snprintf(why, why_size, "its write_multiple is neither true nor false");
            return -EINVAL;
        }
        caps->write_multi = json_object_get_boolean(value);
        caps->named |= WEIR_VFU_CAP_WRITE_MULTI;
    }
    return 0;
}

static int read_json(const char *text, size_t len, struct weir_vfu_caps *caps, char *why,
                     size_t why_size)
{
    struct json_tokener *tok = json_tokener_new_ex(DEPTH);
    struct json_object *root, *caps_json;
    char shown[64];
    int r = -EINVAL;

    if (!tok) {
        snprintf(why, why_size, "out of memory");
        return -ENOMEM;
    }
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    while (len && strchr(" \t\r\n", text[len - 1]))
        len--; /* the tokener would take it for something more */
    root = json_tokener_parse_ex(tok, text, (int)len);
    if (json_tokener_get_error(tok) != json_tokener_success) {
        snprintf(why, why_size, "its text is no JSON (%s): %s",
                 json_tokener_error_desc(json_tokener_get_error(tok)),
                 weir_printable(shown, sizeof(shown), text, len));
    } else if (!json_object_is_type(root, json_type_object)) {
        snprintf(why, why_size, "its text is no JSON object: %s",
                 weir_printable(shown, sizeof(shown), text, len));
    } else if (!json_object_object_get_ex(root, "capabilities", &caps_json)) {
        r = 0;
    } else if (!json_object_is_type(caps_json, json_type_object)) {
        snprintf(why, why_size, "its capabilities are no JSON object");
    } else {
        r = read_caps(caps_json, caps, why, why_size);
    }
    json_object_put(root);
    json_tokener_free(tok);
    return r;
}

int weir_vfu_version_parse(const void *body, size_t len, struct weir_vfu_caps *caps, char *why,
                           size_t why_size)
{
    struct weir_vfu_version v;
    const char *text = (const char *)body + sizeof(v);

    *caps = (struct weir_vfu_caps){
        .max_fds = 1,
        .max_data = WEIR_VFU_MAX_DATA,
        .max_maps = WEIR_VFU_MAX_MAPS,
        .pgsizes = WEIR_VFU_PAGE,
    };
    if (len < sizeof(v)) {
        snprintf(why, why_size, "it is %zu bytes long, too short for a version", len);
        return -EINVAL;
    }
    memcpy(&v, body, sizeof(v));
    caps->major = v.major;
    caps->minor = v.minor;
    len -= sizeof(v);
    if (!len)
        return 0;
    if (len > WEIR_VFU_MAX_JSON) {
        snprintf(why, why_size, "its text is %zu bytes long, the limit is %d", len,
                 WEIR_VFU_MAX_JSON);
        return -EINVAL;
    }
    if (text[len - 1]) {
        snprintf(why, why_size, "its text has no NUL at the end");
        return -EINVAL;
    }
    caps->text = true;
    return read_json(text, strlen(text), caps, why, why_size);
}

size_t weir_vfu_version_format(const struct weir_vfu_caps *caps, void *body, size_t size)
{
    struct weir_vfu_version v = {.major = caps->major, .minor = caps->minor};
    size_t len = 0, text_len;

    if (size < sizeof(v))
        return 0;
    memcpy(body, &v, sizeof(v));
    if (!caps->text)
        return sizeof(v);

    struct json_object *root = json_object_new_object(), *caps_json = json_object_new_object();
    if (!root || !caps_json || json_object_object_add(root, "capabilities", caps_json)) {
        json_object_put(caps_json);
        json_object_put(root);
        return 0;
    }
    bool ok = true;
    for (size_t i = 0; i < N_NUMBERS; i++) {
        uint64_t n;
        if (!(caps->named & numbers[i].cap))
            continue;
        memcpy(&n, (const char *)caps + numbers[i].at, sizeof(n));
        ok &= json_object_object_add(caps_json, numbers[i].name, json_object_new_uint64(n)) == 0;
    }
    if (caps->named & WEIR_VFU_CAP_WRITE_MULTI)
        ok &= json_object_object_add(caps_json, "write_multiple",
                                     json_object_new_boolean(caps->write_multi)) == 0;
    const char *text = json_object_to_json_string_length(root, JSON_C_TO_STRING_PLAIN, &text_len);
    if (ok && text && text_len < size - sizeof(v)) {
        len = sizeof(v) + text_len + 1;
        memcpy((char *)body + sizeof(v), text, text_len + 1);
    }
    json_object_put(root);
    return len;
}
