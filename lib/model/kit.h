/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of a model: what the kit keeps for it. model.c runs it, spec.c reads its description,
 * config.c is its configuration space, irq.c its interrupts. All of it is guarded by the model's
 * lock.
 */
#ifndef WEIR_MODEL_KIT_H
#define WEIR_MODEL_KIT_H

#include "lib/core/instance.h"
#include "lib/model/model.h"

#include <linux/aio_abi.h>
#include <pthread.h>

#define KIT_MAX_PARAMS  32
#define KIT_MAX_WIRES   4
#define KIT_CONFIG_SIZE 4096

struct weir_model_param {
    char *key, *value; /* in one allocation, at key */
};

/* A message vector (MSI or MSI-X) or INTx. */
struct kit_vector {
    int fd;           /* the user's eventfd, or -1 */
    bool masked;      /* by the table's vector control */
    bool user_masked; /* by weir_model_irq_mask() */
    bool pending;
};

struct weir_model {
    struct weir_object object;
    struct weir *weir;
    const struct weir_model_ops *ops;
    pthread_mutex_t lock;
    void *priv;
    struct weir_model_param params[KIT_MAX_PARAMS];
    unsigned n_params;
    struct weir_wire *wires[KIT_MAX_WIRES];
    bool link[KIT_MAX_WIRES]; /* as the model was last told */
    unsigned n_wires;

    bool attached, served;
    struct weir_siommu *siommu;
    struct weir_iotlb_options iotlb; /* wanted; no entries: none */
    uint64_t faults;
    struct weir_dma_fault last_fault;

    uint8_t config[KIT_CONFIG_SIZE];
    uint8_t writable[KIT_CONFIG_SIZE];     /* bits that writes change */
    uint8_t clear_by_one[KIT_CONFIG_SIZE]; /* bits that writing one clears */
    uint8_t initial[KIT_CONFIG_SIZE];
    unsigned config_size;

    uint32_t (*msix_table)[4]; /* as the driver sees it; the mask bit follows vectors[] */
    struct kit_vector *msix, *msi, intx, err;
    bool intx_level;
    aio_context_t aio; /* irq.c: to signal a client's eventfds */
    bool no_aio;       /* this system has none to give */
    int ready_fd;
};

/* spec.c: fill in m->params. */
int weir_model_parse(struct weir_model *m, const char *spec, size_t name_len, struct weir_error *e);
void weir_model_params_free(struct weir_model *m);

/* iotlb.c: fill in m->iotlb from the parameter. */
int weir_model_iotlb_parse(struct weir_model *m, struct weir_error *e);

/* config.c */
void weir_model_config_init(struct weir_model *m);
void weir_model_config_reset(struct weir_model *m);
void weir_model_config_write(struct weir_model *m, unsigned off, const uint8_t *data, unsigned len);
bool weir_model_memory_enabled(const struct weir_model *m);
uint16_t weir_model_config16(const struct weir_model *m, unsigned off);
void weir_model_config_set16(struct weir_model *m, unsigned off, uint16_t value);
/* A reset without the lock, for who holds it. */
void weir_model_reset_locked(struct weir_model *m);

/* irq.c */
int weir_model_irq_init(struct weir_model *m);
void weir_model_irq_free(struct weir_model *m);
void weir_model_irq_reset(struct weir_model *m);
void weir_model_irq_forget(struct weir_model *m); /* all eventfds */
void weir_model_irq_update(
    struct weir_model *m); /* after enables or masks in config space changed */
bool weir_model_table_has(const struct weir_model *m, unsigned bar, uint64_t off);
uint64_t weir_model_table_read(struct weir_model *m, uint64_t off, unsigned width);
void weir_model_table_write(struct weir_model *m, uint64_t off, unsigned width, uint64_t value);

#endif
