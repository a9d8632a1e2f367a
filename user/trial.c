/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "trial.h"
#include "links.h"
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

/* <linux/filter.h> of the kernel; its UAPI has no constructors. */
#define INSN(c, d, s, o, i)                                                                        \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define MOV_IMM(d, i)  INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOV_REG(d, s)  INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ADD_IMM(d, i)  INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define STORE(d, s, o) INSN(BPF_STX | BPF_MEM | BPF_DW, d, s, o, 0)
#define CALL(f)	       INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT()	       INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define MAP_VALUE(d, f)                                                                            \
	INSN(BPF_LD | BPF_IMM | BPF_DW, d, BPF_PSEUDO_MAP_VALUE, 0, f), INSN(0, 0, 0, 0, 0)

/* There in every kernel with fentry: the kernel's own test of it calls this one. */
#define FENTRY_FUNCTION "bpf_fentry_test1"
#define KPROBE_FUNCTION "hrtimer_nanosleep"
#define KPROBE_TYPE	"/sys/bus/event_source/devices/kprobe/type"
#define PARANOID	"/proc/sys/kernel/perf_event_paranoid"

__attribute__((format(printf, 1, 2))) static struct ikw_trial no(const char *format, ...)
{
	struct ikw_trial trial = { .can = false };
	va_list args;

	va_start(args, format);
	vsnprintf(trial.why, sizeof(trial.why), format, args);
	va_end(args);
	return trial;
}

static struct ikw_trial yes(void)
{
	return (struct ikw_trial){ .can = true };
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* An array map of one u64 that a program on trial sets when it runs. */
static int mark_map(void)
{
	return bpf_map_create(BPF_MAP_TYPE_ARRAY, "ikw_trial", sizeof(uint32_t), sizeof(uint64_t),
			      1, NULL);
}

static bool marked(int map)
{
	uint32_t zero = 0;
	uint64_t value = 0;

	return !bpf_map_lookup_elem(map, &zero, &value) && value;
}

static int load(enum bpf_prog_type type, const struct bpf_insn *insns, size_t count,
		struct bpf_prog_load_opts *opts)
{
	return bpf_prog_load(type, "ikw_trial", "Dual BSD/GPL", insns, count, opts);
}

/* Loads a program that marks the map and returns `result`. */
static int load_marker(enum bpf_prog_type type, int map, int result,
		       struct bpf_prog_load_opts *opts)
{
	const struct bpf_insn insns[] = {
		MAP_VALUE(BPF_REG_1, map),
		MOV_IMM(BPF_REG_2, 1),
		STORE(BPF_REG_1, BPF_REG_2, 0),
		MOV_IMM(BPF_REG_0, result),
		EXIT(),
	};

	return load(type, insns, sizeof(insns) / sizeof(insns[0]), opts);
}

static int no_log(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* NULL when there is none, which libbpf need not say too. */
static struct btf *kernel_btf(void)
{
	libbpf_print_fn_t log = libbpf_set_print(no_log);
	struct btf *btf = btf__load_vmlinux_btf();

	libbpf_set_print(log);
	return btf;
}

struct ikw_trial ikw_trial_btf(void)
{
	struct btf *btf = kernel_btf();

	if (!btf)
		return no("no BTF of the kernel (CONFIG_DEBUG_INFO_BTF, /sys/kernel/btf/vmlinux)");
	btf__free(btf);
	return yes();
}

/* A test run of a tracing program calls the functions of the kernel's own test. */
static struct ikw_trial fentry_fires(int map, int program)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);
	int link = bpf_raw_tracepoint_open(NULL, program);
	int err = errno;
	bool fired;

	if (link < 0)
		return no("attach: %s", strerror(err));
	err = bpf_prog_test_run_opts(program, &run);
	fired = marked(map);
	close(link);
	if (fired)
		return yes();
	return err ? no("test run: %s", strerror(-err)) : no("attached, but did not fire");
}

struct ikw_trial ikw_trial_fentry(void)
{
	struct btf *btf = kernel_btf();
	struct ikw_trial trial = ikw_trial_fentry_with(btf);

	btf__free(btf);
	return trial;
}

struct ikw_trial ikw_trial_fentry_with(const struct btf *btf)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY);
	struct ikw_trial trial;
	int map, program, id, err;

	if (!btf)
		return no("no BTF of the kernel");
	id = btf__find_by_name_kind(btf, FENTRY_FUNCTION, BTF_KIND_FUNC);
	if (id < 0)
		return no("%s: not in the kernel's BTF", FENTRY_FUNCTION);
	opts.attach_btf_id = (uint32_t)id;
	map = mark_map();
	program = load_marker(BPF_PROG_TYPE_TRACING, map, 0, &opts);
	err = errno;
	trial = program < 0 ? no("load: %s", strerror(err)) : fentry_fires(map, program);
	close_fd(program);
	close_fd(map);
	return trial;
}

/* The perf event type of kprobes; -1: this kernel has none. */
static int kprobe_type(void)
{
	FILE *f = fopen(KPROBE_TYPE, "re");
	int type = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%d", &type) != 1)
		type = -1;
	fclose(f);
	return type;
}

static int kprobe_open(int type)
{
	struct perf_event_attr attr = {
		.type = (uint32_t)type,
		.size = sizeof(attr),
		.config1 = (uint64_t)(uintptr_t)KPROBE_FUNCTION,
	};

	return (int)syscall(__NR_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Debian's kernels have a third step of kernel.perf_event_paranoid, which CAP_PERFMON is not enough
 * for. */
static struct ikw_trial no_event(int err)
{
	FILE *file = fopen(PARANOID, "re");
	int paranoid = 0;

	if (!file || fscanf(file, "%d", &paranoid) != 1)
		paranoid = 0;
	if (file)
		fclose(file);
	if (err == EACCES && paranoid > 2)
		return no("%s: %s (kernel.perf_event_paranoid is %d: it takes CAP_SYS_ADMIN)",
			  KPROBE_FUNCTION, strerror(err), paranoid);
	return no("%s: %s", KPROBE_FUNCTION, strerror(err));
}

/* Fires on whichever CPU it happens: a kprobe event belongs to one, its program to all. */
static struct ikw_trial kprobe_fires(int map, int program, int event)
{
	const struct timespec moment = { .tv_nsec = 1 };

	if (ioctl(event, PERF_EVENT_IOC_SET_BPF, program))
		return no("attach: %s", strerror(errno));
	if (ioctl(event, PERF_EVENT_IOC_ENABLE, 0))
		return no("enable: %s", strerror(errno));
	nanosleep(&moment, NULL);
	return marked(map) ? yes() : no("attached, but did not fire");
}

struct ikw_trial ikw_trial_kprobe(void)
{
	int type = kprobe_type(), map, program, event, err;
	struct ikw_trial trial;

	if (type < 0)
		return no("this kernel has no kprobes (%s is missing)", KPROBE_TYPE);
	map = mark_map();
	program = load_marker(BPF_PROG_TYPE_KPROBE, map, 0, NULL);
	if (program < 0) {
		err = errno;
		close_fd(map);
		return no("load: %s", strerror(err));
	}
	event = kprobe_open(type);
	err = errno;
	trial = event < 0 ? no_event(err) : kprobe_fires(map, program, event);
	close_fd(event);
	close_fd(program);
	close_fd(map);
	return trial;
}

struct ikw_trial ikw_trial_tracepoint(void)
{
	const struct bpf_insn insns[] = { MOV_IMM(BPF_REG_0, 0), EXIT() };
	int program = load(BPF_PROG_TYPE_RAW_TRACEPOINT, insns, 2, NULL), link, err;

	if (program < 0)
		return no("load: %s", strerror(errno));
	link = bpf_raw_tracepoint_open("sched_process_exit", program);
	err = errno;
	close(program);
	if (link < 0)
		return no("attach: %s", strerror(err));
	close(link);
	return yes();
}

struct ikw_trial ikw_trial_ring(void)
{
	int map = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ikw_trial", 0, 0,
				 (uint32_t)sysconf(_SC_PAGESIZE), NULL);

	if (map < 0)
		return no("%s", strerror(errno));
	close(map);
	return yes();
}

struct ikw_trial ikw_trial_read(void)
{
	const struct bpf_insn insns[] = {
		MOV_REG(BPF_REG_1, BPF_REG_10),
		ADD_IMM(BPF_REG_1, -8),
		MOV_IMM(BPF_REG_2, 8),
		MOV_IMM(BPF_REG_3, 0),
		CALL(BPF_FUNC_probe_read_kernel),
		MOV_IMM(BPF_REG_0, 0),
		EXIT(),
	};
	int program =
		load(BPF_PROG_TYPE_RAW_TRACEPOINT, insns, sizeof(insns) / sizeof(insns[0]), NULL);

	if (program < 0)
		return no("bpf_probe_read_kernel: %s", strerror(errno));
	close(program);
	return yes();
}

static struct ikw_trial packet_program(enum bpf_prog_type type)
{
	const struct bpf_insn insns[] = { MOV_IMM(BPF_REG_0, 2), EXIT() };
	int program = load(type, insns, 2, NULL);

	if (program < 0)
		return no("load: %s", strerror(errno));
	close(program);
	return yes();
}

struct ikw_trial ikw_trial_xdp(void)
{
	return packet_program(BPF_PROG_TYPE_XDP);
}

struct ikw_trial ikw_trial_tc(void)
{
	return packet_program(BPF_PROG_TYPE_SCHED_CLS);
}

struct ikw_trial ikw_trial_tcx(void)
{
	enum { LOOPBACK = 1 };
	int err = ikw_link_tcx(LOOPBACK);

	if (err == -EOPNOTSUPP)
		return no("not in this kernel (it came with Linux 6.6)");
	return err ? no("query: %s", strerror(-err)) : yes();
}
