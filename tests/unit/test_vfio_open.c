/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening a PCI function by its address: which way, into which space, and why not. */
#include "fake_vfio.h"

#include <fcntl.h>
#include <linux/vfio.h>

#define A     "0000:01:00.0"
#define A2    "0000:01:00.1"
#define B     "0000:02:00.0"
#define TOKEN "00112233-4455-6677-8899-aabbccddeeff"

static struct weir *w;
static struct weir_error e;
static struct fake_function *a;

static int setup(void **state)
{
    int r = fake_setup(state);

    a = fake_add(A, 1);
    w = fake_weir();
    return r;
}

static int teardown(void **state)
{
    weir_free(w);
    return fake_teardown(state);
}

static struct weir_device_info info_of(const struct weir_device *d)
{
    struct weir_device_info info;

    weir_device_info(d, &info);
    return info;
}

static const char *kind_of(const struct weir_device *d)
{
    return fake_info(info_of(d).space).kind;
}

static struct weir_device *open_with(const struct weir_device_options *opt)
{
    memset(&e, 0, sizeof(e));
    return weir_device_open(w, A, opt, &e);
}

static void test_open(void **state)
{
    struct weir_device *d;
    struct weir_device_info i;
    uint16_t command;

    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        static const char *const names[] = {A, "01:00.0", "vfio:0000:01:00.0?iommu=auto"};

        d = fake_open_device(w, names[n], NULL);
        i = info_of(d);
        assert_string_equal(i.name, names[n]);
        assert_string_equal(i.backend, "vfio");
        assert_true(i.vendor == 0x1234 && i.device == 1 && i.class_code == 0x020000);
        assert_true(i.subsystem_vendor == 0x8086 && i.revision == 1 && !i.lost && i.node == 1);
        assert_string_equal(kind_of(d), "type1");
        assert_int_equal(fake_open_files(), 3); /* container, group, device */
        for (int fd = 3; fd < 64; fd++)
            assert_true(!fake_file_of(fd) || fcntl(fd, F_GETFD) == FD_CLOEXEC);
        /* Memory decoding is on, bus mastering is not. */
        fake_peek(a, WEIR_REGION_CONFIG, 4, &command, sizeof(command));
        assert_int_equal(command, 2);
        weir_device_close(d);
        assert_int_equal(fake_open_files(), 0);
    }
}

static void test_names(void **state)
{
    static const struct {
        const char *name, *code;
    } cases[] = {
        {"0000:01:00.0x", "device-name"},
        {"vfio:", "device-name"},
        {"vfio:eth0", "device-name"},
        {"vfio:0000:01:00.0000000000000000000000000000000", "device-name"},
        {"0000:01:00.0?", "device-param"},
        {"0000:01:00.0?iommu=", "device-param"},
        {"0000:01:00.0?iommu=typ", "device-param"},
        {"0000:01:00.0?iommu=type11", "device-param"},
        {"0000:01:00.0?iommu=type1&", "device-param"},
        {"0000:01:00.0?iommu=type1&wire=\x80loopback", "device-param"},
        {"0000:01:00.0?iommu=type1\n", "device-name"},
        {"0000:01:00.0?\x1b[31m", "device-name"},
        {"0000:01:00.0?vf-token=", "device-param"},
        {"0000:01:00.0?vf-token=0011223304455-6677-8899-aabbccddeeff", "device-param"},
        {"0000:01:00.0?vf-token=0011223g-4455-6677-8899-aabbccddeeff", "device-param"},
        {"0000:01:00.0?vf-token=" TOKEN "0", "device-param"},
    };
    struct weir_device_options opt = {.size = sizeof(opt), .vf_token = "a token"};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        fake_open_fails(w, cases[i].name, NULL, -EINVAL, cases[i].code, &e);
    assert_null(open_with(&opt));
    fake_failed(&e, -EINVAL, "vfio-token");
}

static void test_absent(void **state)
{
    (void)state;
    fake_open_fails(w, B, NULL, -ENODEV, "device-absent", &e);
    fake_contains(e.fix, "lspci -D");
}

static void test_driver(void **state)
{
    (void)state;
    fake_bind(a, "ixgbe");
    fake_open_fails(w, A, NULL, -ENODEV, "device-driver", &e);
    fake_contains(e.why, "the driver ixgbe, not to vfio-pci");
    fake_contains(e.fix, "driver_override; echo " A " > /sys/bus/pci/devices/" A
                         "/driver/unbind; echo " A " > /sys/bus/pci/drivers_probe");
    fake_bind(a, "a-driver-with-a-name-that-nobody-would-give-it");
    fake_open_fails(w, A, NULL, -ENODEV, "device-driver", &e);
    fake_bind(a, NULL);
    fake_open_fails(w, A, NULL, -ENODEV, "device-driver", &e);
    fake_contains(e.why, "no driver, not to vfio-pci");
    assert_null(strstr(e.fix, "unbind"));
    /* Variants of vfio-pci do. */
    fake_bind(a, "mlx5_vfio_pci");
    fake_open_device(w, A, NULL);
}

static void test_twice(void **state)
{
    (void)state;
    fake_open_device(w, A, NULL);
    fake_open_fails(w, "01:00.0", NULL, -EBUSY, "device-busy", &e);
    fake_contains(e.why, "this program has it open already");
}

/* ---- the group's file ---- */

static void test_group_refused(void **state)
{
    (void)state;
    fake_refuse("/dev/vfio/1", EACCES);
    fake_open_fails(w, A, NULL, -EACCES, "vfio-permission", &e);
    fake_contains(e.why, "this user may not open /dev/vfio/1: Permission denied");
    fake_contains(e.fix, "chown $USER /dev/vfio/1");
    fake_contains(e.fix, "SUBSYSTEM==\"vfio\"");
    fake_refuse("/dev/vfio/1", ENOENT);
    fake_open_fails(w, A, NULL, -ENOENT, "vfio-absent", &e);
    fake_refuse("/dev/vfio/1", ENFILE);
    fake_open_fails(w, A, NULL, -ENFILE, "vfio-open", &e);
    fake_refuse("", 0);
    fake_fail(VFIO_GROUP_GET_STATUS, ENODEV, 0); /* unbound just now */
    fake_open_fails(w, A, NULL, -ENOENT, "vfio-absent", &e);
    fake_fail(0, 0, 0);
    fake_open_device(w, A, NULL);
}

static void test_group_busy(void **state)
{
    (void)state;
    fake_group(1)->elsewhere = true;
    fake_open_fails(w, A, NULL, -EBUSY, "device-busy", &e);
    fake_contains(e.fix, "fuser -v"); /* nobody to be seen */
    /* Other processes, one with something else open, one that this user may not look into. */
    fake_file("/proc/1/comm", "init\n");
    fake_file("/proc/sys/x", "\n");
    fake_symlink("/proc/77/fd/3", "/dev/vfio/12");
    fake_symlink("/proc/77/fd/4", "/dev/vfio/vfio");
    fake_file("/proc/4242/comm", "qemu\x1b[31m\n");
    fake_symlink("/proc/4242/fd/30", "/dev/vfio/1");
    fake_open_fails(w, A, NULL, -EBUSY, "device-busy", &e);
    fake_contains(e.why, "/dev/vfio/1 is open already, in process 4242 (qemu?[31m)");
    assert_null(strstr(e.fix, "fuser"));
}

/* In this process, but in another instance. */
static void test_group_busy_here(void **state)
{
    struct weir *other = fake_weir();
    char path[64];

    (void)state;
    fake_add(A2, 1);
    fake_open_device(other, A2, NULL);
    snprintf(path, sizeof(path), "/proc/%d/fd/5", (int)getpid());
    fake_symlink(path, "/dev/vfio/1");
    fake_open_fails(w, A, NULL, -EBUSY, "device-busy", &e);
    fake_contains(e.why, "in this process");
    weir_free(other);
}

static void test_not_viable(void **state)
{
    struct fake_function *bridge = fake_add("0000:00:1c.0", 1), *other = fake_add(A2, 1);
    const uint8_t class_bridge[] = {0, 0, 4, 6};

    (void)state;
    fake_poke(bridge, WEIR_REGION_CONFIG, 8, class_bridge, sizeof(class_bridge));
    fake_plug(bridge);
    fake_bind(bridge, "pcieport");
    fake_bind(other, "ixgbe");
    fake_open_fails(w, A, NULL, -EPERM, "group-not-viable", &e);
    fake_contains(e.why, "the host drives other members of it: " A2 " (ixgbe)");
    assert_null(strstr(e.why, "1c.0"));
    fake_contains(e.fix, "echo " A2 " > /sys/bus/pci/devices/" A2 "/driver/unbind");
    /* Unbound, on a stub or on vfio-pci is fine. */
    fake_bind(other, NULL);
    weir_device_close(fake_open_device(w, A, NULL));
    fake_bind(other, "pci-stub");
    weir_device_close(fake_open_device(w, A, NULL));
    fake_bind(other, "vfio-pci");
    weir_device_close(fake_open_device(w, A, NULL));
}

static int not_viable(unsigned long request, void *arg, int result)
{
    if (request == VFIO_GROUP_GET_STATUS && result == 0)
        ((struct vfio_group_status *)arg)->flags = 0;
    return result;
}

/* For a reason that sysfs does not show. */
static void test_not_viable_why(void **state)
{
    (void)state;
    fake.tamper = not_viable;
    fake_open_fails(w, A, NULL, -EPERM, "group-not-viable", &e);
    fake_contains(e.fix, "/sys/kernel/iommu_groups/1/devices/*");
    fake_unplug(fake_add("0000:09:00.0", 1));
    fake_open_fails(w, A, NULL, -EPERM, "group-not-viable", &e);
}

static void test_attach_refused(void **state)
{
    (void)state;
    fake_fail(VFIO_GROUP_SET_CONTAINER, EBUSY, 0);
    fake_open_fails(w, A, NULL, -EBUSY, "device-busy", &e);
    fake_contains(e.why, "VFIO_GROUP_SET_CONTAINER: its group 1 is in use");
    fake_fail(VFIO_SET_IOMMU, ENODEV, 0);
    fake_open_fails(w, A, NULL, -ENODEV, "device-attach", &e);
    fake_fail(0, 0, 0);
    fake_group(1)->unsafe = true;
    fake_open_fails(w, A, NULL, -EPERM, "device-interrupts", &e);
    fake_contains(e.fix, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
    fake_group(1)->unsafe = false;
    fake_reserve(fake_group(1), 0x7b800000, 0x7fffffff, "direct");
    fake_open_fails(w, A, NULL, -EPERM, "device-rmrr", &e);
    fake_contains(e.why, "/sys/kernel/iommu_groups/1/reserved_regions");
    fake_fail(VFIO_GROUP_SET_CONTAINER, EBUSY, 0);
    fake_open_fails(w, A, NULL, -EBUSY, "device-busy", &e);
    fake_fail(0, 0, 0);
    /* What may go does not stand in the way. */
    fake_group(1)->n_reserved = 0;
    fake_reserve(fake_group(1), 0, 0xffffff, "direct-relaxable");
    fake_open_device(w, A, NULL);
}

/* ---- which way ---- */

static void test_choice(void **state)
{
    struct weir_device_options opt = {.size = sizeof(opt), .vfio = WEIR_VFIO_CONTAINER};
    struct weir_device *d;

    (void)state;
    fake_cdevs();
    d = fake_open_device(w, A, NULL);
    assert_string_equal(kind_of(d), "iommufd");
    assert_int_equal(fake_open_files(), 2); /* iommufd, device */
    weir_device_close(d);
    /* As the option says; but the name says it last. */
    d = open_with(&opt);
    assert_string_equal(kind_of(d), "type1");
    weir_device_close(d);
    d = weir_device_open(w, A "?iommu=iommufd", &opt, NULL);
    assert_string_equal(kind_of(d), "iommufd");
    weir_device_close(d);
    d = fake_open_device(w, A "?iommu=type1", NULL);
    assert_string_equal(kind_of(d), "type1");
    weir_device_close(d);
    /* Both files have to be for this user. */
    fake_refuse("/dev/iommu", EACCES);
    d = fake_open_device(w, A, NULL);
    assert_string_equal(kind_of(d), "type1");
    weir_device_close(d);
    fake_open_fails(w, A "?iommu=iommufd", NULL, -EACCES, "vfio-permission", &e);
    fake_refuse("/dev/vfio/devices/vfio0", EACCES);
    d = fake_open_device(w, A, NULL);
    assert_string_equal(kind_of(d), "type1");
    weir_device_close(d);
    /* A program built against the options' first fields. */
    opt.size = offsetof(struct weir_device_options, vfio);
    fake_refuse("", 0);
    d = open_with(&opt);
    assert_string_equal(kind_of(d), "iommufd");
}

/* What there is only one of is taken, and says what is wrong with it. */
static void test_only_choice(void **state)
{
    (void)state;
    fake_cdevs();
    fake_refuse("/dev/vfio/vfio", ENOENT);
    fake.bind_token = true;
    a->token = TOKEN;
    weir_device_close(fake_open_device(w, A "?vf-token=" TOKEN, NULL));
    a->token = NULL;
    fake.iommufd = false;
    fake_open_fails(w, A, NULL, -ENOENT, "iommufd-absent", &e);
    /* The device has a name, and no file: it is opened the other way. */
    fake.iommufd = true;
    fake_refuse("/dev/vfio/devices/vfio0", ENOENT);
    assert_string_equal(kind_of(fake_open_device(w, A, NULL)), "type1");
}

static void test_token(void **state)
{
    struct weir_device_options opt = {.size = sizeof(opt), .vf_token = TOKEN};
    struct weir_device *d;

    (void)state;
    fake_cdevs(); /* a token takes the container, where every kernel has one */
    a->token = TOKEN;
    d = open_with(&opt);
    assert_string_equal(kind_of(d), "type1");
    weir_device_close(d);
    weir_device_close(fake_open_device(w, A "?vf-token=" TOKEN, NULL));
    weir_device_close(fake_open_device(w, A "?vf-token=" TOKEN "&iommu=type1", NULL));
    fake_open_fails(w, A "?vf-token=FF112233-4455-6677-8899-aabbccddeeff", NULL, -EACCES,
                    "vfio-token", &e);
    fake_contains(e.why, "this is not it");
    fake_open_fails(w, A "?iommu=type1", NULL, -EACCES, "vfio-token", &e);
    fake_contains(e.why, "none was given");
    a->token = NULL; /* the kernel does not take one that is not asked for */
    fake_open_fails(w, A "?vf-token=" TOKEN, NULL, -EINVAL, "vfio-token", &e);
    fake_contains(e.fix, "leave vf-token out");
}

/* ---- into which space ---- */

static void test_group_shares(void **state)
{
    struct weir_device *d[3];
    struct weir *other = fake_weir();
    struct weir_space *s;

    (void)state;
    fake_add(A2, 1);
    fake_add(B, 2);
    d[0] = fake_open_device(w, A, NULL);
    d[1] = fake_open_device(w, A2, NULL);
    d[2] = fake_open_device(w, B, NULL);
    assert_ptr_equal(info_of(d[0]).space, info_of(d[1]).space);
    assert_ptr_not_equal(info_of(d[0]).space, info_of(d[2]).space);
    assert_int_equal(fake_info(info_of(d[0]).space).devices, 2);
    assert_int_equal(fake.set_iommus, 2);
    /* One group, one descriptor, for as long as one of them is open; and so with the space. */
    assert_int_equal(fake_open_files(), 2 + 2 + 3);
    weir_device_close(d[0]);
    assert_int_equal(fake_group(1)->devices, 1);
    assert_int_equal(fake_open_files(), 2 + 2 + 2);
    d[0] = fake_open_device(w, A, NULL);
    assert_ptr_equal(info_of(d[0]).space, info_of(d[1]).space);
    weir_device_close(d[1]);
    weir_device_close(d[0]);
    assert_int_equal(fake_open_files(), 3);
    /* Not in the other's space, nor through the other interface. */
    d[0] = fake_open_device(w, A, NULL);
    s = fake_new_space(w, WEIR_VFIO_CONTAINER);
    fake_open_fails(w, A2, s, -EBUSY, "device-space", &e);
    fake_contains(e.why, "another device of its group 1 is in another space");
    fake_cdevs();
    fake_open_fails(w, A2 "?iommu=iommufd", NULL, -EBUSY, "device-space", &e);
    fake_contains(e.why, "in a type1 space");
    d[1] = fake_open_device(w, A2, NULL); /* not said: as the first */
    assert_ptr_equal(info_of(d[0]).space, info_of(d[1]).space);
    weir_free(other);
}

static void test_space_given(void **state)
{
    struct weir *other = fake_weir();
    struct weir_space *s = fake_new_space(w, WEIR_VFIO_CONTAINER), *theirs, *soft;
    struct weir_device *d[2];

    (void)state;
    fake_add(B, 2);
    theirs = fake_new_space(other, WEIR_VFIO_CONTAINER);
    soft = weir_space_software(w, NULL);
    d[0] = fake_open_device(w, A, s);
    d[1] = fake_open_device(w, B, s);
    assert_ptr_equal(info_of(d[0]).space, s);
    assert_ptr_equal(info_of(d[1]).space, s);
    assert_int_equal(fake_info(s).devices, 2);
    /* It is not freed under them, and does not go with them. */
    weir_space_free(s);
    fake_contains(fake_log, "is not freed: 2 devices are in it");
    weir_device_close(d[1]);
    fake_open_fails(w, B, theirs, -EINVAL, "device-space", &e);
    fake_open_fails(w, B, soft, -EINVAL, "device-space", &e);
    fake_open_fails(w, B "?iommu=iommufd", s, -EINVAL, "device-space", &e);
    d[1] = fake_open_device(w, B "?iommu=type1", s);
    weir_device_close(d[0]);
    weir_device_close(d[1]);
    assert_int_equal(fake_info(s).devices, 0);
    assert_int_equal(fake_open_files(), 2);
    weir_space_free(s);
    weir_free(other);
}

/* A space without an IOMMU is for devices without one, and the others for the others. */
static void test_space_of_the_other_sort(void **state)
{
    struct weir_space *none, *s;

    (void)state;
    fake_add(B, 2);
    fake_no_iommu(2);
    none = fake_new_space(w, WEIR_VFIO_NOIOMMU);
    s = fake_new_space(w, WEIR_VFIO_CONTAINER);
    fake_open_fails(w, A, none, -EINVAL, "device-space", &e);
    fake_contains(e.why, "the IOMMU covers it");
    weir_device_close(fake_open_device(w, B "?iommu=none", none));
    fake_open_fails(w, A, none, -EINVAL, "device-space", &e);
    fake_open_fails(w, B, s, -ENODEV, "no-iommu", &e);
}

static struct fake_function *taken;

static int taken_meanwhile(unsigned long request, void *arg, int result)
{
    (void)arg;
    if (request == VFIO_GROUP_GET_STATUS && taken) {
        fake_bind(taken, "ixgbe");
        taken = NULL;
    }
    return result;
}

/* The host's driver comes between the question and the deed. */
static void test_not_viable_any_more(void **state)
{
    (void)state;
    taken = fake_add(A2, 1);
    fake.tamper = taken_meanwhile;
    fake_open_fails(w, A, NULL, -EPERM, "group-not-viable", &e);
    fake_contains(e.why, A2 " (ixgbe)");
}

/* ---- the device ---- */

static uint32_t regions, irqs;

static int tamper_info(unsigned long request, void *arg, int result)
{
    struct vfio_device_info *info = arg;

    if (request == VFIO_DEVICE_GET_INFO && result == 0) {
        info->num_regions = regions;
        info->num_irqs = irqs;
        info->argsz = 4096; /* there would be capabilities */
    }
    return result;
}

static void test_device_refused(void **state)
{
    (void)state;
    fake_fail(VFIO_GROUP_GET_DEVICE_FD, ENODEV, 0);
    fake_open_fails(w, A, NULL, -ENODEV, "vfio-device", &e);
    fake_fail(VFIO_GROUP_GET_DEVICE_FD, EINVAL, 0);
    fake_open_fails(w, A, NULL, -EINVAL, "vfio-device", &e);
    fake_fail(VFIO_DEVICE_GET_INFO, EIO, 0);
    fake_open_fails(w, A, NULL, -EIO, "vfio-device", &e);
    fake_fail(0, 0, 0);
    a->device_flags = VFIO_DEVICE_FLAGS_PLATFORM;
    fake_open_fails(w, A, NULL, -EINVAL, "vfio-device", &e);
    fake_contains(e.why, "no PCI device");
    a->device_flags = VFIO_DEVICE_FLAGS_PCI;
    fake.tamper = tamper_info;
    regions = irqs = 0;
    fake_open_fails(w, A, NULL, -EINVAL, "vfio-device", &e);
    regions = 7; /* the configuration space is the eighth */
    fake_open_fails(w, A, NULL, -EINVAL, "vfio-device", &e);
    regions = 8;
    weir_device_close(fake_open_device(w, A, NULL));
    regions = irqs = UINT32_MAX;
    weir_device_close(fake_open_device(w, A, NULL));
    fake.tamper = NULL;
    a->gone = true;
    fake_open_fails(w, A, NULL, -ENODEV, "device-gone", &e);
}

/* ---- without an IOMMU ---- */

static void test_no_iommu(void **state)
{
    struct weir_device *d;
    struct weir_space *s;

    (void)state;
    fake_no_iommu(1);
    /* Never by itself. */
    fake_open_fails(w, A, NULL, -ENODEV, "no-iommu", &e);
    fake_contains(e.fix, "iommu=none");
    fake_open_fails(w, A "?iommu=type1", NULL, -ENODEV, "no-iommu", &e);
    assert_string_equal(fake_log, "");
    d = fake_open_device(w, A "?iommu=none", NULL);
    assert_string_equal(kind_of(d), "no-iommu");
    fake_contains(fake_log, "reaches any memory of this machine");
    assert_int_equal(fake.containers[0].type, VFIO_NOIOMMU_IOMMU);
    assert_int_equal(fake.maps + fake.infos, 0); /* there is nobody to ask */
    weir_device_close(d);
    assert_int_equal(fake_open_files(), 0);
    s = fake_new_space(w, WEIR_VFIO_NOIOMMU);
    d = fake_open_device(w, A "?iommu=none", s);
    assert_ptr_equal(info_of(d).space, s);
    assert_int_equal(fake_info(s).maps, 0);
}

static void test_no_iommu_refused(void **state)
{
    struct weir_space *s;

    (void)state;
    /* The IOMMU covers it. */
    fake.no_iommu_mode = true;
    fake_open_fails(w, A "?iommu=none", NULL, -EINVAL, "device-has-iommu", &e);
    /* A container that was made for it takes no real group. */
    s = fake_new_space(w, WEIR_VFIO_NOIOMMU);
    fake_open_fails(w, A, s, -EINVAL, "device-space", &e);
    fake_no_iommu(1);
    fake.euid = 1000;
    fake_open_fails(w, A "?iommu=none", NULL, -EACCES, "vfio-permission", &e);
    fake_contains(e.why, "CAP_SYS_RAWIO");
    assert_null(strstr(e.fix, "chown"));
    fake.euid = 0;
    fake.no_iommu_mode = false;
    fake_open_fails(w, A "?iommu=none", NULL, -ENOTSUP, "vfio-no-noiommu", &e);
}

/* In no group at all: with or without any group in the machine. */
static void test_no_group(void **state)
{
    (void)state;
    fake_add(B, -1);
    fake_open_fails(w, B, NULL, -ENODEV, "no-iommu", &e);
    fake_contains(e.why, "the kernel uses no IOMMU");
    fake_contains(e.fix, "intel_iommu=on");
    fake_open_fails(w, B "?iommu=none", NULL, -ENODEV, "no-iommu", &e);
    fake_file("/sys/kernel/iommu_groups/0/type", "DMA\n");
    fake_open_fails(w, B, NULL, -ENODEV, "no-iommu", &e);
    fake_contains(e.why, "the IOMMU does not cover it");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_open),
        CASE(test_names),
        CASE(test_absent),
        CASE(test_driver),
        CASE(test_twice),
        CASE(test_group_refused),
        CASE(test_group_busy),
        CASE(test_group_busy_here),
        CASE(test_not_viable),
        CASE(test_not_viable_why),
        CASE(test_attach_refused),
        CASE(test_choice),
        CASE(test_only_choice),
        CASE(test_token),
        CASE(test_group_shares),
        CASE(test_space_given),
        CASE(test_device_refused),
        CASE(test_no_iommu),
        CASE(test_no_iommu_refused),
        CASE(test_no_group),
        CASE(test_space_of_the_other_sort),
        CASE(test_not_viable_any_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
