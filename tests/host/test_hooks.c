// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The packet programs on real interfaces: a veth pair between two network
 * namespaces of the test's own, every hook, with others' XDP programs, qdiscs
 * and filters there, and what must be as before afterwards.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "bpf/parse.h"
#include "hooks.h"
#include "maps.skel.h"
#include "tests/frames.h"

#define SKIP 77

/* include/uapi/linux/bpf.h of Linux 6.6; Debian 12's headers have neither */
enum { TCX_INGRESS = 46, TCX_EGRESS = 47 };

#define OURS  "va" /* in this process's namespace, where the programs go */
#define PEERS "vb" /* in the other one */

static struct {
	struct maps_bpf *maps;
	struct ring_buffer *ring;
	struct ikw_hooks *hooks;
	pid_t holder; /* keeps the other namespace */
	int other;    /* that namespace */
	int own;
	int udp;  /* bound to port 500 here */
	int wire; /* packet socket on the other end */
	int count;
	struct ikw_ike last;
	uint64_t found; /* what the agent before had attached */
	int interfaces; /* the map ikw_interfaces; 0: none */
	char why[256];
} t;

__attribute__((format(printf, 1, 2))) static int sh(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command);
}

/* Output of a command, the test's until the next call. */
static const char *output_of(const char *command)
{
	static char text[8192];
	FILE *pipe = popen(command, "re");
	size_t n;

	assert_non_null(pipe);
	n = fread(text, 1, sizeof(text) - 1, pipe);
	text[n] = 0;
	pclose(pipe);
	return text;
}

static int keep(void *ctx, void *data, size_t size)
{
	(void)ctx;
	assert_int_equal(size, sizeof(t.last));
	memcpy(&t.last, data, size);
	t.count++;
	return 0;
}

/* ---- two namespaces -------------------------------------------------------------- */

static void hold_namespace(void)
{
	char path[64], ready;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	t.holder = fork();
	assert_true(t.holder >= 0);
	if (!t.holder) {
		if (unshare(CLONE_NEWNET) || write(fds[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(fds[0], &ready, 1), 1);
	close(fds[0]);
	close(fds[1]);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", t.holder);
	t.other = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(t.other >= 0);
}

static int packet_socket(const char *ifname)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(ifname) };

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static int udp_socket(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(500) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	return fd;
}

/* A veth pair: our end has the address and the MAC that tests/frames.h sends to. */
static void make_pair(void)
{
	assert_int_equal(sh("ip link add " OURS
			    " address 02:00:00:00:00:02 type veth peer name " PEERS
			    " address 02:00:00:00:00:01 netns %d",
			    t.holder),
			 0);
	sh("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 "
	   "net.ipv4.conf." OURS ".rp_filter=0 net.ipv6.conf." OURS ".disable_ipv6=1");
	assert_int_equal(sh("ip addr add 198.51.100.2/24 dev " OURS " && ip link set " OURS
			    " up && ip link set lo up && ip route add default dev " OURS),
			 0);
	assert_int_equal(setns(t.other, CLONE_NEWNET), 0);
	assert_int_equal(sh("sysctl -qw net.ipv6.conf." PEERS ".disable_ipv6=1; ip addr add "
			    "192.0.2.1/24 dev " PEERS " && ip link set " PEERS
			    " up && ip route add default dev " PEERS
			    " && ip neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev " PEERS),
			 0);
	t.wire = packet_socket(PEERS);
	assert_int_equal(setns(t.own, CLONE_NEWNET), 0);
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	t.own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	hold_namespace();
	make_pair();
	t.udp = udp_socket();
	t.maps = maps_bpf__open_and_load();
	assert_non_null(t.maps);
	t.ring = ring_buffer__new(bpf_map__fd(t.maps->maps.ikw_events), keep, NULL, NULL);
	assert_non_null(t.ring);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ikw_hooks_close(t.hooks);
	ring_buffer__free(t.ring);
	maps_bpf__destroy(t.maps);
	kill(t.holder, SIGKILL);
	waitpid(t.holder, NULL, 0);
	sh("ip link del " OURS " 2>/dev/null");
	close(t.udp);
	close(t.wire);
	close(t.other);
	close(t.own);
	return 0;
}

static void open_hooks(enum ikw_hook_mode mode, const char *pin_dir)
{
	struct ikw_hooks_config config = { .mode = mode,
					   .netns = 7,
					   .events_fd = bpf_map__fd(t.maps->maps.ikw_events),
					   .state_fd = bpf_map__fd(t.maps->maps.ikw_state),
					   .interfaces_fd = t.interfaces,
					   .pin_dir = pin_dir,
					   .found = t.found };

	t.why[0] = 0;
	if (ikw_hooks_open(&config, &t.hooks, t.why, sizeof(t.why)))
		fail_msg("%s", t.why);
}

static int attach(const char *name, const char *kind)
{
	return ikw_hooks_attach(t.hooks, if_nametoindex(name), name, kind, t.why, sizeof(t.why));
}

/* Programs on one side of our end by tcx, the first one's name in *first. -1: this kernel has no
 * tcx. */
static int on_tcx(int side, char first[BPF_OBJ_NAME_LEN])
{
	uint32_t ids[16] = { 0 }, size;
	struct bpf_prog_info info = { 0 };
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = 16);
	int fd;

	first[0] = 0;
	if (bpf_prog_query_opts((int)if_nametoindex(OURS), (enum bpf_attach_type)side, &opts))
		return errno == ENOENT ? 0 : -1;
	fd = opts.prog_cnt ? bpf_prog_get_fd_by_id(ids[0]) : -1;
	size = sizeof(info);
	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size))
		memcpy(first, info.name, BPF_OBJ_NAME_LEN);
	if (fd >= 0)
		close(fd);
	return (int)opts.prog_cnt;
}

static bool has_tcx(void)
{
	char name[BPF_OBJ_NAME_LEN];

	return on_tcx(TCX_INGRESS, name) >= 0;
}

static void need_tcx(void)
{
	if (has_tcx())
		return;
	print_message("no tcx in this kernel (Linux 6.6)\n");
	skip();
}

/* What the kernel itself says is on a side by tcx: nothing, or that program alone. */
static void check_tcx(int side, const char *program)
{
	char first[BPF_OBJ_NAME_LEN];

	assert_int_equal(on_tcx(side, first), program ? 1 : has_tcx() ? 0 : -1);
	assert_string_equal(first, program ? program : "");
}

static const char *status_of(unsigned int interface, const char *member)
{
	static char text[256];
	json_t *list = ikw_hooks_status(t.hooks);

	snprintf(text, sizeof(text), "%s",
		 json_string_value(json_object_get(json_array_get(list, interface), member)));
	json_decref(list);
	return text;
}

static void attached(enum ikw_hook_mode mode, const char *how)
{
	json_t *list;

	open_hooks(mode, NULL);
	if (attach(OURS, "veth"))
		fail_msg("%s", t.why);
	list = ikw_hooks_status(t.hooks);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	assert_string_equal(status_of(0, "in"), how);
}

/* ---- traffic ---------------------------------------------------------------------- */

/* Waits until a socket has something; false after a second. */
static bool arrives(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char bytes[65536];

	if (poll(&p, 1, 1000) != 1)
		return false;
	return recv(fd, bytes, sizeof(bytes), 0) > 0;
}

static void checksum(struct frame *f)
{
	uint32_t sum = 0;

	frame_set16(f, f->ip + 10, 0);
	for (size_t i = 0; i < 20; i += 2)
		sum += (uint32_t)(f->bytes[f->ip + i] << 8 | f->bytes[f->ip + i + 1]);
	sum = (sum >> 16) + (sum & 0xffff);
	sum += sum >> 16;
	frame_set16(f, f->ip + 10, (uint16_t)~sum);
}

static void send_frame(struct frame *f)
{
	checksum(f);
	assert_int_equal(send(t.wire, f->bytes, f->len, 0), (ssize_t)f->len);
}

static void send_ike(void)
{
	struct frame f;

	frame_make(&f, LINK_ETH, NET_V4, 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	send_frame(&f);
}

static int events(void)
{
	t.count = 0;
	ring_buffer__consume(t.ring);
	return t.count;
}

/* One IKE message in: it arrives at the socket, and makes one record. */
static void check_in(void)
{
	events();
	send_ike();
	assert_true(arrives(t.udp));
	assert_int_equal(events(), 1);
	assert_int_equal(t.last.dir, IKW_DIR_IN);
	assert_int_equal(t.last.ifindex, if_nametoindex(OURS));
	assert_int_equal(t.last.message_id, 5);
	assert_int_equal(t.last.hdr.netns, 7);
}

/* One out, from a socket: it arrives on the other end, and makes one record. */
static void check_out(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(500),
				  .sin_addr.s_addr = htonl(0xc0000201) };

	sh("ip neigh replace 192.0.2.1 lladdr 02:00:00:00:00:01 dev " OURS);
	while (recv(t.wire, (char[2048]){ 0 }, 2048, MSG_DONTWAIT) > 0)
		;
	events();
	assert_int_equal(sendto(t.udp, msg_v2_skf, sizeof(msg_v2_skf), 0, (struct sockaddr *)&to,
				sizeof(to)),
			 sizeof(msg_v2_skf));
	assert_true(arrives(t.wire));
	assert_int_equal(events(), 1);
	assert_int_equal(t.last.dir, IKW_DIR_OUT);
	assert_int_equal(t.last.frag_number, 2);
}

static void check_esp(void)
{
	uint8_t daddr[16] = { [10] = 0xff, [11] = 0xff, 198, 51, 100, 2 };
	struct ikw_esp esp;
	struct frame f;

	ikw_hooks_tick(t.hooks, 12345);
	for (uint32_t seq = 1; seq <= 10; seq++) {
		frame_make(&f, LINK_ETH, NET_V4, 0, 0, msg_esp, sizeof(msg_esp));
		f.bytes[f.payload + 7] = (uint8_t)(seq < 5 ? seq : seq + 3); /* 5 to 7 are lost */
		send_frame(&f);
	}
	send_ike(); /* behind them in the queue: when it is here, they are */
	assert_true(arrives(t.udp));
	assert_true(ikw_hooks_esp(t.hooks, daddr, 0xc2d37a2c, &esp));
	assert_int_equal(esp.packets, 10);
	assert_int_equal(esp.bytes, 10 * (20 + sizeof(msg_esp)));
	assert_int_equal(esp.dir, IKW_DIR_IN);
	assert_int_equal(esp.lost, 3);
	assert_int_equal(esp.reordered, 0);
	assert_int_equal(esp.last, 12345);
	assert_false(ikw_hooks_esp(t.hooks, daddr, 0xc2d37a2d, &esp));
}

static void check_all(void)
{
	check_in();
	check_out();
	check_esp();
}

#define SHOW_FILTERS                                                                               \
	"tc qdisc show dev " OURS "; tc filter show dev " OURS                                     \
	" ingress; tc filter show dev " OURS " egress"

/* On a veth: tcx where the kernel has it, else a clsact. */
static void test_auto(void **state)
{
	(void)state;
	attached(IKW_HOOK_AUTO, has_tcx() ? "tcx" : "tc");
	check_tcx(TCX_INGRESS, has_tcx() ? "ikw_tc_in" : NULL);
	check_tcx(TCX_EGRESS, has_tcx() ? "ikw_tc_out" : NULL);
	assert_int_equal(!strstr(output_of(SHOW_FILTERS), "ikw_tc_in"), has_tcx());
	check_all();
}

static void test_tc(void **state)
{
	(void)state;
	attached(IKW_HOOK_TC, "tc");
	check_tcx(TCX_INGRESS, NULL);
	check_tcx(TCX_EGRESS, NULL);
	assert_string_equal(status_of(0, "out"), "tc");
	check_all();
}

/* Where it is not to be had, the kernel is named and nothing is attached. */
static void test_tcx(void **state)
{
	(void)state;
	if (!has_tcx()) {
		open_hooks(IKW_HOOK_TCX, NULL);
		assert_int_equal(attach(OURS, "veth"), -EOPNOTSUPP);
		assert_string_equal(t.why, "tcx: not in this kernel (it came with Linux 6.6)");
		assert_null(strstr(output_of(SHOW_FILTERS), "ikw_"));
		return;
	}
	attached(IKW_HOOK_TCX, "tcx");
	assert_null(strstr(output_of("tc qdisc show dev " OURS), "clsact"));
	assert_string_equal(status_of(0, "out"), "tcx");
	check_all();
	ikw_hooks_detach(t.hooks, if_nametoindex(OURS));
	check_tcx(TCX_INGRESS, NULL);
	check_tcx(TCX_EGRESS, NULL);
}

static void test_xdp(void **state)
{
	(void)state;
	attached(IKW_HOOK_XDP, "xdp");
	check_all();
	assert_non_null(strstr(output_of("ip -d link show " OURS), "xdp "));
	check_tcx(TCX_INGRESS, NULL);
	check_tcx(TCX_EGRESS, has_tcx() ? "ikw_tc_out" : NULL);
}

static void test_xdp_generic(void **state)
{
	(void)state;
	attached(IKW_HOOK_XDP_GENERIC, "xdp-generic");
	check_all();
	assert_non_null(strstr(output_of("ip -d link show " OURS), "xdpgeneric"));
}

/* A device that says nothing of itself is taken for a card: native XDP if its driver has it. */
static void test_auto_on_a_card(void **state)
{
	(void)state;
	open_hooks(IKW_HOOK_AUTO, NULL);
	assert_int_equal(attach(OURS, ""), 0);
	assert_int_equal(attach("lo", ""), 0); /* no native XDP there */
	assert_string_equal(status_of(1, "in"), "xdp");
	assert_string_equal(status_of(0, "in"), has_tcx() ? "tcx" : "tc");
	assert_non_null(strstr(status_of(0, "why"), "the driver takes no XDP"));
	check_in();
}

static void test_attached_twice(void **state)
{
	(void)state;
	attached(IKW_HOOK_AUTO, has_tcx() ? "tcx" : "tc");
	assert_int_equal(attach(OURS, "veth"), 0);
	check_in();
}

/* A VLAN tag is taken off before tc sees the packet, and stays on for XDP. */
static void test_vlan(void **state)
{
	static const enum ikw_hook_mode modes[] = { IKW_HOOK_TC, IKW_HOOK_XDP };
	struct frame f;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (int link = LINK_VLAN; link < LINK_IP; link++) {
			open_hooks(modes[i], NULL);
			assert_int_equal(attach(OURS, "veth"), 0);
			events();
			frame_make(&f, (enum frame_link)link, NET_V4, 500, 500, msg_v2_dpd,
				   sizeof(msg_v2_dpd));
			send_frame(&f);
			send_ike();
			assert_true(arrives(t.udp));
			assert_int_equal(events(), 2);
			ikw_hooks_close(t.hooks);
			t.hooks = NULL;
		}
	}
}

/* XDP for frames of several pages came with Linux 5.18, as did this helper. */
static bool has_frags(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_load_bytes, NULL) == 1;
}

/* Jumbo frames pass, and IKE in them is read, also where the payload lies in pages. */
static void test_jumbo(void **state)
{
	static const enum ikw_hook_mode modes[] = { IKW_HOOK_TC, IKW_HOOK_XDP,
						    IKW_HOOK_XDP_GENERIC };
	static const size_t sizes[] = { 2000, 8900, 40000 };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(500),
				  .sin_addr.s_addr = htonl(0xc6336402) };
	static uint8_t msg[40000];
	bool frags = has_frags();
	int fd;

	(void)state;
	memcpy(msg, msg_v2_init_response, sizeof(msg_v2_init_response));
	assert_int_equal(sh("ip link set " OURS " mtu 65535"), 0);
	assert_int_equal(setns(t.other, CLONE_NEWNET), 0);
	assert_int_equal(sh("ip link set " PEERS " mtu 65535"), 0);
	fd = udp_socket();
	assert_int_equal(setns(t.own, CLONE_NEWNET), 0);
	for (size_t m = 0; m < 3; m++) {
		open_hooks(modes[m], NULL);
		/* native XDP needs room for frags, or says no; then nothing is attached */
		if (attach(OURS, "veth")) {
			print_message("%s\n", t.why);
			assert_int_equal(modes[m], IKW_HOOK_XDP);
			sh("ip link set " OURS " mtu 9000");
			if (!frags) { /* then no frame larger than a page either, and nothing is
					 left */
				assert_int_not_equal(attach(OURS, "veth"), 0);
				assert_null(strstr(output_of(SHOW_FILTERS), "ikw_"));
				check_tcx(TCX_EGRESS, NULL);
				goto next;
			}
			assert_int_equal(attach(OURS, "veth"), 0);
		}
		for (size_t i = 0; i < (modes[m] == IKW_HOOK_XDP ? 2 : 3); i++) {
			events();
			assert_int_equal(
				sendto(fd, msg, sizes[i], 0, (struct sockaddr *)&to, sizeof(to)),
				sizes[i]);
			assert_true(arrives(t.udp));
			assert_int_equal(events(), 1);
			assert_true(t.last.flags2 & IKW_IKE_CHOICE);
			assert_int_equal(t.last.dh, 19);
		}
	next:
		ikw_hooks_close(t.hooks);
		t.hooks = NULL;
		sh("ip link set " OURS " mtu 65535");
	}
	close(fd);
	if (frags)
		return;
	print_message(
		"this kernel's XDP takes no frames of several pages (Linux 5.18): refused there, "
		"not read\n");
	skip();
}

/* ---- others --------------------------------------------------------------------------- */

static int other_xdp_prog(void)
{
	struct bpf_insn insns[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
				    { .code = BPF_JMP | BPF_EXIT } };

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "another", "GPL", insns, 2, NULL);
}

static uint32_t xdp_id(void)
{
	uint32_t id = 0;

	bpf_xdp_query_id((int)if_nametoindex(OURS), 0, &id);
	return id;
}

static void test_another_xdp_program(void **state)
{
	int prog = other_xdp_prog();
	uint32_t before;

	(void)state;
	assert_true(prog >= 0);
	assert_int_equal(bpf_xdp_attach((int)if_nametoindex(OURS), prog, 0, NULL), 0);
	before = xdp_id();
	open_hooks(IKW_HOOK_AUTO, NULL);
	assert_int_equal(attach(OURS, ""), 0);
	check_in();
	assert_int_equal(xdp_id(), before);
	ikw_hooks_close(t.hooks);
	assert_int_equal(xdp_id(), before);
	open_hooks(IKW_HOOK_XDP, NULL);
	assert_int_equal(attach(OURS, "veth"), -EBUSY);
	assert_non_null(strstr(t.why, "another XDP program"));
	assert_int_equal(xdp_id(), before);
	assert_null(strstr(output_of("tc qdisc show dev " OURS), "clsact"));
	close(prog);
}

static void test_nothing_is_left(void **state)
{
	static const enum ikw_hook_mode modes[] = { IKW_HOOK_TC, IKW_HOOK_AUTO, IKW_HOOK_XDP,
						    IKW_HOOK_XDP_GENERIC };
	char before[4096];

	(void)state;
	snprintf(before, sizeof(before), "%s", output_of("tc qdisc show dev " OURS));
	for (size_t i = 0; i < 4; i++) {
		bool by_tcx = modes[i] != IKW_HOOK_TC && has_tcx();

		open_hooks(modes[i], NULL);
		assert_int_equal(attach(OURS, "veth"), 0);
		assert_int_equal(!strstr(output_of("tc qdisc show dev " OURS), "clsact"), by_tcx);
		check_tcx(TCX_EGRESS, by_tcx ? "ikw_tc_out" : NULL);
		ikw_hooks_detach(t.hooks, if_nametoindex(OURS));
		assert_string_equal(output_of("tc qdisc show dev " OURS), before);
		check_tcx(TCX_INGRESS, NULL);
		check_tcx(TCX_EGRESS, NULL);
		ikw_hooks_close(t.hooks);
		t.hooks = NULL;
		assert_int_equal(xdp_id(), 0);
	}
}

/* A filter of somebody else's, with a clsact if there is none. */
static void other_filter(enum bpf_tc_attach_point point, uint32_t prio, int verdict)
{
	struct bpf_insn insns[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = verdict },
				    { .code = BPF_JMP | BPF_EXIT } };
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(OURS), .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = prio, .handle = 1);
	int err = bpf_tc_hook_create(&hook);

	assert_true(!err || err == -EEXIST);
	opts.prog_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "another", "GPL", insns, 2, NULL);
	assert_true(opts.prog_fd >= 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	close(opts.prog_fd);
}

static void test_others_filters(void **state)
{
	char before[8192];

	(void)state;
	other_filter(BPF_TC_INGRESS, 5, TC_ACT_OK);
	other_filter(BPF_TC_EGRESS, 2, TC_ACT_OK);
	snprintf(before, sizeof(before), "%s", output_of(SHOW_FILTERS));
	assert_non_null(strstr(before, "another"));
	attached(IKW_HOOK_TC, "tc");
	check_in(); /* we come first: their "ok" does not keep it from us */
	check_out();
	ikw_hooks_close(t.hooks);
	t.hooks = NULL;
	assert_string_equal(output_of(SHOW_FILTERS), before);
}

/* A filter that drops comes after ours: we still see, it still drops. */
static void test_others_drop(void **state)
{
	(void)state;
	other_filter(BPF_TC_INGRESS, 2, TC_ACT_SHOT);
	attached(IKW_HOOK_TC, "tc");
	events();
	send_ike();
	assert_false(arrives(t.udp));
	assert_int_equal(events(), 1);
}

/* No room before the others: behind them, and said so. */
static void test_others_first(void **state)
{
	(void)state;
	other_filter(BPF_TC_INGRESS, 1, TC_ACT_UNSPEC);
	attached(IKW_HOOK_TC, "tc");
	check_in();
	assert_non_null(strstr(status_of(0, "why"), "other tc filters come first"));
}

static int other_tcx(int side, int verdict)
{
	struct bpf_insn insns[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = verdict },
				    { .code = BPF_JMP | BPF_EXIT } };
	int prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "another", "GPL", insns, 2, NULL), link;

	assert_true(prog >= 0);
	link = bpf_link_create(prog, (int)if_nametoindex(OURS), (enum bpf_attach_type)side, NULL);
	assert_true(link >= 0);
	close(prog);
	return link;
}

/*
 * A tcx program of somebody else's that was there first decides, and no clsact
 * is asked any more: ours comes before it and sees, and its word still counts.
 */
static void test_others_tcx(void **state)
{
	char first[BPF_OBJ_NAME_LEN];
	int in, out;

	(void)state;
	need_tcx();
	in = other_tcx(TCX_INGRESS, TC_ACT_SHOT);
	out = other_tcx(TCX_EGRESS, TC_ACT_OK);
	attached(IKW_HOOK_AUTO, "tcx");
	assert_int_equal(on_tcx(TCX_INGRESS, first), 2);
	assert_string_equal(first, "ikw_tc_in");
	events();
	send_ike();
	assert_false(arrives(t.udp));
	assert_int_equal(events(), 1);
	check_out();
	ikw_hooks_close(t.hooks);
	t.hooks = NULL;
	check_tcx(TCX_INGRESS, "another");
	check_tcx(TCX_EGRESS, "another");
	close(in);
	close(out);
}

/* Somebody else put a filter on the clsact that we made: it stays. */
static void test_clsact_in_use(void **state)
{
	(void)state;
	attached(IKW_HOOK_TC, "tc");
	other_filter(BPF_TC_EGRESS, 30, TC_ACT_OK);
	ikw_hooks_close(t.hooks);
	t.hooks = NULL;
	assert_non_null(strstr(output_of(SHOW_FILTERS), "another"));
	assert_null(strstr(output_of(SHOW_FILTERS), "ikw_"));
}

/* Somebody takes the clsact away, or a filter of ours: it is noticed, and what is made anew is
 * theirs. */
static void test_cut(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++) {
		attached(IKW_HOOK_TC, "tc");
		assert_false(ikw_hooks_cut(t.hooks, if_nametoindex(OURS)));
		assert_false(ikw_hooks_cut(t.hooks, 4711));
		assert_int_equal(sh(how ? "tc filter del dev " OURS " egress"
					: "tc qdisc del dev " OURS " clsact"),
				 0);
		if (!how)
			assert_int_equal(sh("tc qdisc add dev " OURS " clsact"), 0);
		assert_true(ikw_hooks_cut(t.hooks, if_nametoindex(OURS)));
		assert_null(strstr(output_of(SHOW_FILTERS), "ikw_"));
		assert_false(ikw_hooks_cut(t.hooks, if_nametoindex(OURS)));
		attach(OURS, "veth");
		check_in();
		check_out();
		ikw_hooks_close(t.hooks);
		t.hooks = NULL;
		assert_non_null(strstr(output_of("tc qdisc show dev " OURS), "clsact"));
	}
}

/* ---- endings ---------------------------------------------------------------------------- */

/* An agent that is killed leaves its tc filters; the next one takes their place. */
static void killed(enum ikw_hook_mode mode, const char *how)
{
	pid_t child = fork();
	int status;

	if (!child) {
		open_hooks(IKW_HOOK_XDP, NULL);
		attach(OURS, "veth");
		ikw_hooks_leave(t.hooks);
		open_hooks(IKW_HOOK_TC, NULL);
		attach(OURS, "veth");
		_exit(0);
	}
	waitpid(child, &status, 0);
	for (int i = 0; i < 100 && xdp_id(); i++)
		usleep(10000);
	assert_int_equal(xdp_id(), 0); /* a link goes with its owner */
	check_tcx(TCX_EGRESS, NULL);
	assert_non_null(strstr(output_of(SHOW_FILTERS), "ikw_tc_out"));
	attached(mode, how);
	check_in();
	check_out(); /* one record, not two */
}

static void test_killed(void **state)
{
	(void)state;
	killed(IKW_HOOK_TC, "tc");
	assert_non_null(strstr(output_of(SHOW_FILTERS), "ikw_tc_in"));
}

/* An agent of before tcx, say. */
static void test_killed_then_tcx(void **state)
{
	(void)state;
	need_tcx();
	killed(IKW_HOOK_AUTO, "tcx");
	assert_null(strstr(output_of(SHOW_FILTERS), "ikw_tc_"));
}

static void test_interface_goes(void **state)
{
	uint32_t ifindex = if_nametoindex(OURS);

	(void)state;
	attached(IKW_HOOK_XDP, "xdp");
	assert_int_equal(sh("ip link del " OURS), 0);
	ikw_hooks_detach(t.hooks, ifindex);
	ikw_hooks_detach(t.hooks, ifindex);
	make_pair();
	assert_int_equal(attach(OURS, "veth"), 0);
	check_in();
}

static void test_no_such_interface(void **state)
{
	(void)state;
	open_hooks(IKW_HOOK_AUTO, NULL);
	assert_true(ikw_hooks_attach(t.hooks, 4000, "none0", "veth", t.why, sizeof(t.why)) < 0);
	assert_true(t.why[0] != 0);
}

/* ---- without Ethernet -------------------------------------------------------------------- */

static int tun_open(void)
{
	struct ifreq req = { .ifr_name = "tun7", .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &req)) {
		print_message("no tun device here\n");
		skip();
	}
	assert_int_equal(sh("sysctl -qw net.ipv4.conf.tun7.rp_filter=0; ip link set tun7 up"), 0);
	return fd;
}

static void test_without_ethernet(void **state)
{
	static const enum ikw_hook_mode modes[] = { IKW_HOOK_AUTO, IKW_HOOK_XDP };
	int fd = tun_open();
	struct frame f;

	(void)state;
	frame_make(&f, LINK_IP, NET_V4, 500, 500, msg_v2_dpd, sizeof(msg_v2_dpd));
	checksum(&f);
	for (size_t i = 0; i < 2; i++) {
		open_hooks(modes[i], NULL);
		assert_int_equal(attach("tun7", "tun"), 0);
		events();
		assert_int_equal(write(fd, f.bytes, f.len), (ssize_t)f.len);
		assert_true(arrives(t.udp));
		assert_int_equal(events(), 1);
		ikw_hooks_close(t.hooks);
		t.hooks = NULL;
	}
	close(fd);
}

/* ---- what user space says ------------------------------------------------------------------ */

static void test_known_sa(void **state)
{
	uint8_t saddr[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 };
	uint8_t daddr[16] = { [10] = 0xff, [11] = 0xff, 198, 51, 100, 2 };
	struct ikw_esp esp;

	(void)state;
	attached(IKW_HOOK_TC, "tc");
	ikw_hooks_know(t.hooks, saddr, daddr, 0xc2d37a2c, IKW_DIR_UNKNOWN, 0);
	assert_false(ikw_hooks_esp(t.hooks, daddr, 0xc2d37a2c, &esp));
	check_esp();
	ikw_hooks_forget(t.hooks, saddr, daddr, 0xc2d37a2c, true);
	assert_true(ikw_hooks_esp(t.hooks, daddr, 0xc2d37a2c, &esp));
	ikw_hooks_forget(t.hooks, saddr, daddr, 0xc2d37a2c, false);
	assert_false(ikw_hooks_esp(t.hooks, daddr, 0xc2d37a2c, &esp));
}

/* Lost and reordered are those of the last minute of traffic: samples are taken every 10 s. */
static void test_last_minute(void **state)
{
	uint8_t daddr[16] = { [10] = 0xff, [11] = 0xff, 198, 51, 100, 2 };
	struct ikw_esp esp;

	(void)state;
	attached(IKW_HOOK_TC, "tc");
	check_esp();
	ikw_hooks_know(t.hooks, daddr, daddr, 0xc2d37a2c, IKW_DIR_IN, 0);
	for (uint64_t s = 1; s <= 6; s++)
		ikw_hooks_tick(t.hooks, s * 10000000000ULL + 12345);
	assert_true(ikw_hooks_esp(t.hooks, daddr, 0xc2d37a2c, &esp));
	assert_int_equal(esp.packets, 10);
	assert_int_equal(esp.lost, 3); /* silent since: what the path did last is kept */
	/* and how they came: all before the first of six samples */
	assert_int_equal(esp.span_count, 7);
	assert_true(esp.sampled == 60000012345);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(esp.spans[i].packets, 0);
	assert_int_equal(esp.spans[6].packets, 10);
	for (uint64_t s = 7; s <= 40; s++)
		ikw_hooks_tick(t.hooks, s * 10000000000ULL + 12345);
	assert_true(ikw_hooks_esp(t.hooks, daddr, 0xc2d37a2c, &esp));
	assert_int_equal(esp.span_count, IKW_ESP_SPANS);
	assert_int_equal(esp.spans[IKW_ESP_SPANS - 1].packets, 0);
	for (uint8_t s = 41; s <= 46; s++) { /* a minute of sound traffic */
		struct frame f;

		frame_make(&f, LINK_ETH, NET_V4, 0, 0, msg_esp, sizeof(msg_esp));
		f.bytes[f.payload + 7] = (uint8_t)(s - 41 + 14);
		send_frame(&f);
		send_ike();
		assert_true(arrives(t.udp));
		ikw_hooks_tick(t.hooks, s * 10000000000ULL + 12345);
	}
	assert_true(ikw_hooks_esp(t.hooks, daddr, 0xc2d37a2c, &esp));
	assert_int_equal(esp.packets, 16);
	assert_int_equal(esp.lost, 0);
}

static void test_counts(void **state)
{
	struct ikw_counts sum;

	(void)state;
	attached(IKW_HOOK_TC, "tc");
	check_in();
	check_esp();
	ikw_hooks_counts(t.hooks, &sum);
	assert_int_equal(sum.ike, 2);
	assert_int_equal(sum.esp, 10);
	assert_int_equal(sum.suppressed, 0);
}

/* ---- pins ------------------------------------------------------------------------------------ */

static void test_pins(void **state)
{
	char dir[] = "/tmp/ikewatch-pins-XXXXXX", command[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mount("bpf", dir, "bpf", 0, "mode=0700"), 0);
	open_hooks(IKW_HOOK_XDP, dir);
	assert_int_equal(attach(OURS, "veth"), 0);
	snprintf(command, sizeof(command), "find %s -mindepth 1 | sort", dir);
	assert_non_null(strstr(output_of(command), "/ikw_esp\n"));
	assert_non_null(strstr(output_of(command), "/links/xdp_" OURS "\n"));
	assert_non_null(strstr(output_of(command), "/programs/ikw_tc_out\n"));
	ikw_hooks_close(t.hooks);
	t.hooks = NULL;
	snprintf(command, sizeof(command), "find %s -mindepth 1 -not -name '*.debug'", dir);
	assert_string_equal(output_of(command), "");
	umount(dir);
	rmdir(dir);
}

/* What the first agent had pinned is swept, and its place taken. */
static void test_pins_of_the_killed(void **state)
{
	char dir[] = "/tmp/ikewatch-pins-XXXXXX";
	pid_t child;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mount("bpf", dir, "bpf", 0, "mode=0700"), 0);
	child = fork();
	if (!child) {
		open_hooks(IKW_HOOK_XDP, dir);
		attach(OURS, "veth");
		_exit(0);
	}
	waitpid(child, NULL, 0);
	assert_int_not_equal(xdp_id(), 0); /* it goes on without its owner */
	check_tcx(TCX_EGRESS, has_tcx() ? "ikw_tc_out" : NULL);
	open_hooks(IKW_HOOK_XDP, dir);
	assert_int_equal(attach(OURS, "veth"), 0);
	check_in();
	check_out();
	ikw_hooks_leave(t.hooks); /* and with tc instead, none of the links stays */
	open_hooks(IKW_HOOK_TC, dir);
	assert_int_equal(attach(OURS, "veth"), 0);
	assert_int_equal(xdp_id(), 0);
	check_tcx(TCX_EGRESS, NULL);
	check_in();
	check_out();
	ikw_hooks_close(t.hooks);
	t.hooks = NULL;
	assert_int_equal(rmdir(dir), -1);
	umount(dir);
	rmdir(dir);
}

static void rename_link(const char *from, const char *to)
{
	assert_int_equal(sh("ip link set %s name %s 2>/dev/null || { ip link set %s down && "
			    "ip link set %s name %s && ip link set %s up; }",
			    from, to, from, from, to, to),
			 0);
}

static int rows_of(int fd)
{
	uint32_t key, *from = NULL;
	int count = 0;

	while (!bpf_map_get_next_key(fd, from, &key)) {
		from = &key;
		count++;
	}
	return count;
}

/* What is pinned on an interface is found under whatever name that has by now, and is there once.
 */
static void renamed(enum ikw_hook_mode mode, bool told)
{
	char dir[] = "/tmp/ikewatch-pins-XXXXXX", command[128];

	assert_non_null(mkdtemp(dir));
	assert_int_equal(mount("bpf", dir, "bpf", 0, "mode=0700"), 0);
	t.interfaces = bpf_map_create(BPF_MAP_TYPE_HASH, "interfaces", sizeof(uint32_t),
				      sizeof(struct ikw_interface), 1024, NULL);
	assert_true(t.interfaces > 0);
	open_hooks(mode, dir);
	assert_int_equal(attach(OURS, "veth"), 0);
	rename_link(OURS, "renamed.0");
	if (told)
		ikw_hooks_rename(t.hooks, if_nametoindex("renamed.0"), "renamed.0");
	ikw_hooks_leave(t.hooks);
	open_hooks(mode, dir);
	assert_int_equal(attach("renamed.0", "veth"), 0);
	snprintf(command, sizeof(command), "ls %s/links", dir);
	assert_null(strstr(output_of(command), OURS));
	assert_non_null(strstr(output_of(command), "_renamed:0\n")); /* bpffs takes no dots */
	rename_link("renamed.0", OURS);
	ikw_hooks_rename(t.hooks, if_nametoindex(OURS), OURS);
	check_in();
	check_out(); /* one record, not two */
	ikw_hooks_close(t.hooks);
	t.hooks = NULL;
	close(t.interfaces);
	t.interfaces = 0;
	umount(dir);
	rmdir(dir);
}

static void test_renamed(void **state)
{
	(void)state;
	if (has_tcx()) {
		renamed(IKW_HOOK_TCX, true);
		renamed(IKW_HOOK_TCX, false);
	}
	renamed(IKW_HOOK_XDP, true);
	renamed(IKW_HOOK_XDP, false);
}

/* However many it was attached to, what is not wanted any more is let go. */
static void test_many_are_swept(void **state)
{
	const struct ikw_interface row = { .name = "gone" };

	(void)state;
	t.interfaces = bpf_map_create(BPF_MAP_TYPE_HASH, "interfaces", sizeof(uint32_t),
				      sizeof(row), 1024, NULL);
	assert_true(t.interfaces > 0);
	open_hooks(IKW_HOOK_TC, NULL);
	assert_int_equal(attach(OURS, "veth"), 0);
	for (uint32_t key = 1000; key < 1300; key++)
		assert_int_equal(bpf_map_update_elem(t.interfaces, &key, &row, BPF_ANY), 0);
	ikw_hooks_sweep(t.hooks);
	assert_int_equal(rows_of(t.interfaces), 1);
	close(t.interfaces);
	t.interfaces = 0;
}

static bool is_peer(const char *dir, const uint8_t addr[16])
{
	struct ikw_remote_use use;
	char path[64];
	int fd, found;

	snprintf(path, sizeof(path), "%s/ikw_peers", dir);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	found = !bpf_map_lookup_elem(fd, addr, &use);
	close(fd);
	return found;
}

/* An agent that was here before knew peers: they are heard until it is known which are still there.
 */
static void test_peers_of_the_last(void **state)
{
	uint8_t ours[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 }, stays[16], goes[16];
	char dir[] = "/tmp/ikewatch-pins-XXXXXX";

	(void)state;
	memcpy(stays, ours, sizeof(stays));
	memcpy(goes, ours, sizeof(goes));
	stays[15] = 2;
	goes[15] = 3;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mount("bpf", dir, "bpf", 0, "mode=0700"), 0);
	open_hooks(IKW_HOOK_TC, dir);
	ikw_hooks_know(t.hooks, stays, ours, 1, IKW_DIR_IN, 0);
	ikw_hooks_know(t.hooks, goes, ours, 2, IKW_DIR_IN, 0);
	ikw_hooks_known_all(t.hooks);
	assert_true(is_peer(dir, stays) && is_peer(dir, goes));
	t.found = ikw_hooks_digest(t.hooks);
	ikw_hooks_leave(t.hooks);
	open_hooks(IKW_HOOK_TC, dir);
	t.found = 0;
	assert_true(ikw_hooks_adopted(t.hooks));
	ikw_hooks_know(t.hooks, stays, ours, 1, IKW_DIR_IN, 0);
	assert_true(is_peer(dir, stays) && is_peer(dir, goes));
	ikw_hooks_known_all(t.hooks);
	assert_true(is_peer(dir, stays));
	assert_false(is_peer(dir, goes));
	ikw_hooks_forget(t.hooks, stays, ours, 1, false);
	assert_false(is_peer(dir, stays));
	ikw_hooks_close(t.hooks);
	t.hooks = NULL;
	umount(dir);
	rmdir(dir);
}

/* Loud, and apart from failure: not every place lets a test make namespaces and load programs. */
static void need_kernel(void)
{
	int prog = geteuid() ? -1 : other_xdp_prog();

	if (prog < 0) {
		printf("SKIPPED: needs root and a kernel that loads XDP programs: %s\n",
		       strerror(errno));
		exit(SKIP);
	}
	close(prog);
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) ||
	    mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		printf("SKIPPED: no namespaces of our own: %s\n", strerror(errno));
		exit(SKIP);
	}
	if (mount("sysfs", "/sys", "sysfs", 0, NULL))
		printf("sysfs is not the namespace's own: %s\n", strerror(errno));
	mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL);
}

int main(void)
{
#define ON(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		ON(test_auto),
		ON(test_tc),
		ON(test_tcx),
		ON(test_xdp),
		ON(test_xdp_generic),
		ON(test_auto_on_a_card),
		ON(test_attached_twice),
		ON(test_vlan),
		ON(test_jumbo),
		ON(test_another_xdp_program),
		ON(test_nothing_is_left),
		ON(test_others_filters),
		ON(test_others_drop),
		ON(test_others_first),
		ON(test_others_tcx),
		ON(test_clsact_in_use),
		ON(test_cut),
		ON(test_killed),
		ON(test_killed_then_tcx),
		ON(test_interface_goes),
		ON(test_no_such_interface),
		ON(test_without_ethernet),
		ON(test_known_sa),
		ON(test_last_minute),
		ON(test_counts),
		ON(test_pins),
		ON(test_pins_of_the_killed),
		ON(test_renamed),
		ON(test_many_are_swept),
		ON(test_peers_of_the_last),
	};

	need_kernel();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
