/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* XFRM netlink messages, made as the kernel makes them, and what becomes of them. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <stdlib.h>
#include "netlink_xfrm.h"

#define ATTR_SA_DIR 33
#define PORT	    4242

static char buf[4096] __attribute__((aligned(8)));

static struct nlmsghdr *start(uint16_t type, size_t fixed)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_pid = PORT;
	memset(mnl_nlmsg_put_extra_header(nlh, fixed), 0, fixed);
	return nlh;
}

static void fill_info(struct xfrm_usersa_info *info)
{
	info->family = AF_INET;
	inet_pton(AF_INET, "192.0.2.1", &info->saddr);
	inet_pton(AF_INET, "198.51.100.1", &info->id.daddr);
	info->id.spi = htonl(0xc2d37a2c);
	info->id.proto = IPPROTO_ESP;
	info->reqid = 7;
	info->mode = XFRM_MODE_TUNNEL;
	info->sel.family = AF_INET;
	info->sel.dport = htons(80);
	info->sel.prefixlen_d = 16;
	info->lft.hard_byte_limit = XFRM_INF;
	info->lft.hard_packet_limit = 1000;
	info->lft.hard_add_expires_seconds = 3600;
	info->curlft.bytes = 111;
	info->curlft.packets = 22;
	info->curlft.add_time = 1700000000;
}

static void put_keys(struct nlmsghdr *nlh)
{
	struct xfrm_algo_aead aead = { .alg_name = "rfc4106(gcm(aes))", .alg_key_len = 0 };

	mnl_attr_put(nlh, XFRMA_ALG_AEAD, sizeof(aead), &aead);
}

static void put_extras(struct nlmsghdr *nlh)
{
	struct xfrm_mark mark = { .v = 0x11, .m = 0xff };
	struct xfrm_encap_tmpl encap = { .encap_type = 2,
					 .encap_sport = htons(4500),
					 .encap_dport = htons(61000) };
	uint64_t last = 1700000123;

	mnl_attr_put(nlh, XFRMA_MARK, sizeof(mark), &mark);
	mnl_attr_put(nlh, XFRMA_ENCAP, sizeof(encap), &encap);
	mnl_attr_put(nlh, XFRMA_LASTUSED, sizeof(last), &last);
	mnl_attr_put_u32(nlh, XFRMA_IF_ID, 42);
	mnl_attr_put_u8(nlh, ATTR_SA_DIR, 2);
}

static struct nlmsghdr *make_sa(uint16_t type)
{
	struct nlmsghdr *nlh = start(type, sizeof(struct xfrm_usersa_info));

	fill_info(mnl_nlmsg_get_payload(nlh));
	put_keys(nlh);
	put_extras(nlh);
	return nlh;
}

static struct nlmsghdr *make_delsa(bool keys)
{
	struct nlmsghdr *nlh = start(XFRM_MSG_DELSA, sizeof(struct xfrm_usersa_id));
	struct xfrm_usersa_id *id = mnl_nlmsg_get_payload(nlh);
	struct xfrm_usersa_info info = { 0 };

	fill_info(&info);
	id->daddr = info.id.daddr;
	id->spi = info.id.spi;
	id->family = AF_INET;
	id->proto = IPPROTO_ESP;
	mnl_attr_put(nlh, XFRMA_SA, sizeof(info), &info);
	if (keys)
		put_keys(nlh);
	return nlh;
}

static struct nlmsghdr *make_expire(uint8_t hard, uint64_t packets)
{
	struct nlmsghdr *nlh = start(XFRM_MSG_EXPIRE, sizeof(struct xfrm_user_expire));
	struct xfrm_user_expire *expire = mnl_nlmsg_get_payload(nlh);

	fill_info(&expire->state);
	expire->state.curlft.packets = packets;
	expire->hard = hard;
	return nlh;
}

static void fill_policy_info(struct xfrm_userpolicy_info *info)
{
	info->sel.family = AF_INET6;
	inet_pton(AF_INET6, "2001:db8:1::", &info->sel.saddr);
	inet_pton(AF_INET6, "2001:db8:2::", &info->sel.daddr);
	info->sel.prefixlen_s = info->sel.prefixlen_d = 48;
	info->index = 1234;
	info->priority = 100;
	info->dir = XFRM_POLICY_OUT;
}

static void put_tmpl(struct nlmsghdr *nlh)
{
	struct xfrm_user_tmpl tmpl = { .family = AF_INET, .reqid = 7, .mode = XFRM_MODE_TUNNEL };

	tmpl.id.proto = IPPROTO_ESP;
	inet_pton(AF_INET, "192.0.2.1", &tmpl.saddr);
	inet_pton(AF_INET, "198.51.100.1", &tmpl.id.daddr);
	mnl_attr_put(nlh, XFRMA_TMPL, sizeof(tmpl), &tmpl);
}

static struct nlmsghdr *make_policy(uint16_t type)
{
	struct nlmsghdr *nlh = start(type, sizeof(struct xfrm_userpolicy_info));

	fill_policy_info(mnl_nlmsg_get_payload(nlh));
	put_tmpl(nlh);
	return nlh;
}

static struct nlmsghdr *make_delpolicy(bool whole)
{
	struct nlmsghdr *nlh = start(XFRM_MSG_DELPOLICY, sizeof(struct xfrm_userpolicy_id));
	struct xfrm_userpolicy_id *id = mnl_nlmsg_get_payload(nlh);
	struct xfrm_userpolicy_info info = { 0 };

	fill_policy_info(&info);
	id->sel = info.sel;
	id->dir = info.dir;
	id->index = 99;
	if (whole) {
		mnl_attr_put(nlh, XFRMA_POLICY, sizeof(info), &info);
		put_tmpl(nlh);
	}
	return nlh;
}

static struct nlmsghdr *make_polexpire(uint8_t hard)
{
	struct nlmsghdr *nlh = start(XFRM_MSG_POLEXPIRE, sizeof(struct xfrm_user_polexpire));
	struct xfrm_user_polexpire *expire = mnl_nlmsg_get_payload(nlh);

	fill_policy_info(&expire->pol);
	expire->hard = hard;
	return nlh;
}

static struct nlmsghdr *make_flush(uint16_t type, uint8_t proto)
{
	size_t fixed = type == XFRM_MSG_FLUSHSA ? sizeof(struct xfrm_usersa_flush) : 0;
	struct nlmsghdr *nlh = start(type, fixed);

	if (fixed)
		((struct xfrm_usersa_flush *)mnl_nlmsg_get_payload(nlh))->proto = proto;
	return nlh;
}

static void assert_addr(const uint8_t *addr, const char *text)
{
	uint8_t want[IKW_ADDR_LEN];
	uint8_t raw[16];
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	assert_int_equal(inet_pton(family, text, raw), 1);
	ikw_addr_set(want, raw, family);
	assert_memory_equal(addr, want, sizeof(want));
}

static void test_newsa(void **state)
{
	union ikw_event e;

	(void)state;
	assert_int_equal(ikw_xfrm_parse(make_sa(XFRM_MSG_NEWSA), &e), 1);
	assert_int_equal(e.hdr.type, IKW_EV_SA);
	assert_int_equal(e.hdr.size, sizeof(struct ikw_sa));
	assert_true(e.hdr.flags & IKW_F_NETLINK);
	assert_int_equal(e.sa.op, IKW_SA_ADD);
	assert_int_equal(e.sa.spi, 0xc2d37a2c);
	assert_addr(e.sa.saddr, "192.0.2.1");
	assert_addr(e.sa.daddr, "198.51.100.1");
	assert_int_equal(e.sa.reqid, 7);
	assert_int_equal(e.sa.mode, XFRM_MODE_TUNNEL);
	assert_int_equal(e.sa.sel.dport, 80);
	assert_int_equal(e.sa.sel.prefixlen_d, 16);
	assert_int_equal(e.sa.mark, 0x11);
	assert_int_equal(e.sa.mark_mask, 0xff);
	assert_int_equal(e.sa.encap_type, 2);
	assert_int_equal(e.sa.encap_sport, 4500);
	assert_int_equal(e.sa.encap_dport, 61000);
	assert_int_equal(e.sa.if_id, 42);
	assert_int_equal(e.sa.dir, IKW_DIR_OUT);
	assert_int_equal(e.sa.bytes, 111);
	assert_int_equal(e.sa.packets, 22);
	assert_int_equal(e.sa.hard_add_s, 3600);
	assert_int_equal(e.sa.add_wall_s, 1700000000);
	assert_int_equal(e.sa.last_wall_s, 1700000123);
	assert_int_equal(e.sa.by.portid, PORT);
	assert_int_equal(e.sa.by.tgid, 0);
}

static void test_newsa_ipv6(void **state)
{
	struct nlmsghdr *nlh = start(XFRM_MSG_NEWSA, sizeof(struct xfrm_usersa_info));
	struct xfrm_usersa_info *info = mnl_nlmsg_get_payload(nlh);
	union ikw_event e;

	(void)state;
	info->family = AF_INET6;
	inet_pton(AF_INET6, "2001:db8::1", &info->saddr);
	inet_pton(AF_INET6, "2001:db8::2", &info->id.daddr);
	info->id.proto = IPPROTO_ESP;
	put_keys(nlh);
	assert_int_equal(ikw_xfrm_parse(nlh, &e), 1);
	assert_addr(e.sa.saddr, "2001:db8::1");
	assert_addr(e.sa.daddr, "2001:db8::2");
	assert_int_equal(e.sa.sel.family, 0);
	info->family = AF_UNIX;
	assert_int_equal(ikw_xfrm_parse(nlh, &e), -1);
}

static void test_updsa_and_larval(void **state)
{
	struct nlmsghdr *nlh;
	union ikw_event e;

	(void)state;
	assert_int_equal(ikw_xfrm_parse(make_sa(XFRM_MSG_UPDSA), &e), 1);
	assert_int_equal(e.sa.op, IKW_SA_CHANGE);
	nlh = start(XFRM_MSG_NEWSA, sizeof(struct xfrm_usersa_info));
	fill_info(mnl_nlmsg_get_payload(nlh));
	assert_int_equal(ikw_xfrm_parse(nlh, &e), 1);
	assert_int_equal(e.sa.op, IKW_SA_LARVAL);
}

static void test_delsa(void **state)
{
	union ikw_event e;

	(void)state;
	assert_int_equal(ikw_xfrm_parse(make_delsa(true), &e), 1);
	assert_int_equal(e.sa.op, IKW_SA_DELETE);
	assert_int_equal(e.sa.cause, IKW_CAUSE_UNKNOWN);
	assert_int_equal(e.sa.spi, 0xc2d37a2c);
	assert_int_equal(e.sa.bytes, 111);
	assert_addr(e.sa.saddr, "192.0.2.1");
	assert_int_equal(ikw_xfrm_parse(make_delsa(false), &e), 1);
	assert_int_equal(e.sa.op, IKW_SA_LARVAL_GONE);
}

static void test_expire(void **state)
{
	union ikw_event e;

	(void)state;
	assert_int_equal(ikw_xfrm_parse(make_expire(0, 22), &e), 1);
	assert_int_equal(e.sa.op, IKW_SA_SOFT);
	assert_int_equal(ikw_xfrm_parse(make_expire(1, 22), &e), 1);
	assert_int_equal(e.sa.op, IKW_SA_DELETE);
	assert_int_equal(e.sa.cause, IKW_CAUSE_TIMER);
	assert_int_equal(e.sa.limit, IKW_LIMIT_TIME);
	assert_int_equal(e.sa.by.portid, 0);
	assert_int_equal(ikw_xfrm_parse(make_expire(1, 999), &e), 1);
	assert_int_equal(e.sa.limit, IKW_LIMIT_TIME);
	assert_int_equal(ikw_xfrm_parse(make_expire(1, 1000), &e), 1);
	assert_int_equal(e.sa.limit, IKW_LIMIT_VOLUME);
}

static void test_flush(void **state)
{
	union ikw_event e;

	(void)state;
	assert_int_equal(ikw_xfrm_parse(make_flush(XFRM_MSG_FLUSHSA, 50), &e), 1);
	assert_int_equal(e.hdr.type, IKW_EV_FLUSH);
	assert_int_equal(e.flush.what, IKW_FLUSH_SA);
	assert_int_equal(e.flush.proto, 50);
	assert_int_equal(e.flush.each_told, 0);
	assert_int_equal(e.flush.task_valid, 1);
	assert_int_equal(ikw_xfrm_parse(make_flush(XFRM_MSG_FLUSHPOLICY, 0), &e), 1);
	assert_int_equal(e.flush.what, IKW_FLUSH_POLICY);
}

static void test_policy(void **state)
{
	union ikw_event e;

	(void)state;
	assert_int_equal(ikw_xfrm_parse(make_policy(XFRM_MSG_NEWPOLICY), &e), 1);
	assert_int_equal(e.hdr.type, IKW_EV_POLICY);
	assert_int_equal(e.policy.op, IKW_POLICY_INSERT);
	assert_int_equal(e.policy.dir, IKW_DIR_OUT);
	assert_int_equal(e.policy.index, 1234);
	assert_int_equal(e.policy.tmpl_count, 1);
	assert_int_equal(e.policy.tmpl_reqid, 7);
	assert_int_equal(e.policy.socket, 0);
	assert_addr(e.policy.tmpl_daddr, "198.51.100.1");
	assert_addr(e.policy.sel.saddr, "2001:db8:1::");
	assert_int_equal(ikw_xfrm_parse(make_policy(XFRM_MSG_UPDPOLICY), &e), 1);
	assert_int_equal(e.policy.op, IKW_POLICY_INSERT);
}

/* IPComp's template comes first: it has the addresses, that of ESP says which SA it is. */
static void test_policy_of_ipcomp(void **state)
{
	struct nlmsghdr *nlh = start(XFRM_MSG_NEWPOLICY, sizeof(struct xfrm_userpolicy_info));
	struct xfrm_user_tmpl tmpl[2] = {
		{ .family = AF_INET, .reqid = 9, .mode = XFRM_MODE_TUNNEL },
		{ .family = AF_INET, .reqid = 7, .mode = XFRM_MODE_TRANSPORT },
	};
	union ikw_event e;

	(void)state;
	fill_policy_info(mnl_nlmsg_get_payload(nlh));
	tmpl[0].id.proto = IPPROTO_COMP;
	tmpl[1].id.proto = IPPROTO_ESP;
	tmpl[1].id.spi = htonl(0x1234);
	inet_pton(AF_INET, "192.0.2.1", &tmpl[0].saddr);
	inet_pton(AF_INET, "198.51.100.1", &tmpl[0].id.daddr);
	mnl_attr_put(nlh, XFRMA_TMPL, sizeof(tmpl), tmpl);
	assert_int_equal(ikw_xfrm_parse(nlh, &e), 1);
	assert_int_equal(e.policy.tmpl_count, 2);
	assert_int_equal(e.policy.tmpl_reqid, 7);
	assert_int_equal(e.policy.tmpl_spi, 0x1234);
	assert_int_equal(e.policy.tmpl_proto, IPPROTO_ESP);
	assert_int_equal(e.policy.tmpl_mode, XFRM_MODE_TUNNEL);
	assert_addr(e.policy.tmpl_daddr, "198.51.100.1");
}

static void test_policy_ends(void **state)
{
	union ikw_event e;

	(void)state;
	assert_int_equal(ikw_xfrm_parse(make_delpolicy(true), &e), 1);
	assert_int_equal(e.policy.op, IKW_POLICY_KILL);
	assert_int_equal(e.policy.index, 1234);
	assert_int_equal(e.policy.tmpl_reqid, 7);
	assert_int_equal(ikw_xfrm_parse(make_delpolicy(false), &e), 1);
	assert_int_equal(e.policy.index, 99);
	assert_int_equal(e.policy.dir, IKW_DIR_OUT);
	assert_int_equal(ikw_xfrm_parse(make_polexpire(0), &e), 0);
	assert_int_equal(ikw_xfrm_parse(make_polexpire(1), &e), 1);
	assert_int_equal(e.policy.op, IKW_POLICY_KILL);
}

static void test_socket_policy(void **state)
{
	struct nlmsghdr *nlh = make_policy(XFRM_MSG_NEWPOLICY);
	struct xfrm_userpolicy_info *info = mnl_nlmsg_get_payload(nlh);
	union ikw_event e;

	(void)state;
	info->dir = 3;
	assert_int_equal(ikw_xfrm_parse(nlh, &e), 1);
	assert_int_equal(e.policy.socket, 1);
	assert_int_equal(e.policy.dir, IKW_DIR_IN);
	info->dir = 4;
	assert_int_equal(ikw_xfrm_parse(nlh, &e), 1);
	assert_int_equal(e.policy.dir, IKW_DIR_OUT);
	info->dir = 255;
	assert_int_equal(ikw_xfrm_parse(nlh, &e), 1);
}

static void test_other_types(void **state)
{
	union ikw_event e;

	(void)state;
	assert_int_equal(ikw_xfrm_parse(start(XFRM_MSG_ACQUIRE, 4), &e), 0);
	assert_int_equal(ikw_xfrm_parse(start(XFRM_MSG_NEWAE, 0), &e), 0);
	assert_int_equal(ikw_xfrm_parse(start(NLMSG_ERROR, 4), &e), 0);
}

/* A copy of exactly len bytes, so that a read past the end is seen by ASan. */
static int parse_cut(const struct nlmsghdr *whole, uint32_t len)
{
	struct nlmsghdr *cut = malloc(len);
	union ikw_event e;
	int got;

	assert_non_null(cut);
	memcpy(cut, whole, len);
	cut->nlmsg_len = len;
	got = ikw_xfrm_parse(cut, &e);
	free(cut);
	return got;
}

static void cut_everywhere(const struct nlmsghdr *nlh, size_t fixed)
{
	for (uint32_t len = NLMSG_HDRLEN; len < nlh->nlmsg_len; len++) {
		int got = parse_cut(nlh, len);

		if (len < NLMSG_HDRLEN + fixed)
			assert_int_equal(got, -1);
	}
	assert_int_equal(parse_cut(nlh, nlh->nlmsg_len), 1);
}

static void test_truncation(void **state)
{
	(void)state;
	cut_everywhere(make_sa(XFRM_MSG_NEWSA), sizeof(struct xfrm_usersa_info));
	cut_everywhere(make_delsa(true), sizeof(struct xfrm_usersa_id));
	cut_everywhere(make_expire(1, 0), sizeof(struct xfrm_user_expire));
	cut_everywhere(make_flush(XFRM_MSG_FLUSHSA, 0), sizeof(struct xfrm_usersa_flush));
	cut_everywhere(make_policy(XFRM_MSG_NEWPOLICY), sizeof(struct xfrm_userpolicy_info));
	cut_everywhere(make_delpolicy(true), sizeof(struct xfrm_userpolicy_id));
	cut_everywhere(make_polexpire(1), sizeof(struct xfrm_user_polexpire));
}

/* An attribute whose length lies: shorter than its header, or past the message's end. */
static void test_attr_lengths(void **state)
{
	static const uint16_t lengths[] = { 0, 1, 3, 5, 4096, 65535 };
	size_t fixed = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct xfrm_usersa_info));

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct nlmsghdr *nlh = make_sa(XFRM_MSG_NEWSA);
		struct nlattr *first = (void *)(buf + fixed);

		first->nla_len = lengths[i];
		assert_int_equal(parse_cut(nlh, nlh->nlmsg_len), -1);
	}
}

static void apply(struct ikw_xfrm_known *known, const struct nlmsghdr *nlh, bool told, uint8_t op)
{
	union ikw_event e;

	assert_int_equal(ikw_xfrm_parse(nlh, &e), 1);
	assert_int_equal(ikw_xfrm_known_apply(known, &e), told);
	if (told && e.hdr.type == IKW_EV_SA)
		assert_int_equal(e.sa.op, op);
}

/* larval (not told), UPDSA fills it, UPDSA changes it, hard EXPIRE ends it. */
static void test_known_life(void **state)
{
	struct ikw_xfrm_known known = { 0 };

	(void)state;
	apply(&known, make_expire(0, 0), false, 0);
	apply(&known, make_expire(1, 0), true, IKW_SA_LARVAL_GONE);
	/* expire messages carry no mark here, so neither may the SA */
	struct nlmsghdr *nlh = start(XFRM_MSG_UPDSA, sizeof(struct xfrm_usersa_info));

	fill_info(mnl_nlmsg_get_payload(nlh));
	put_keys(nlh);
	apply(&known, nlh, true, IKW_SA_ADD);
	apply(&known, nlh, true, IKW_SA_CHANGE);
	apply(&known, make_expire(0, 0), true, IKW_SA_SOFT);
	apply(&known, make_expire(1, 0), true, IKW_SA_DELETE);
	apply(&known, make_expire(1, 0), true, IKW_SA_LARVAL_GONE);
	ikw_xfrm_known_clear(&known);
}

static void know(struct ikw_xfrm_known *known)
{
	struct nlmsghdr *nlh = start(XFRM_MSG_NEWSA, sizeof(struct xfrm_usersa_info));

	fill_info(mnl_nlmsg_get_payload(nlh));
	put_keys(nlh);
	apply(known, nlh, true, IKW_SA_ADD);
}

static void test_known_flush(void **state)
{
	struct ikw_xfrm_known known = { 0 };

	(void)state;
	know(&known);
	apply(&known, make_flush(XFRM_MSG_FLUSHPOLICY, 0), true, 0);
	apply(&known, make_flush(XFRM_MSG_FLUSHSA, IPPROTO_AH), true, 0);
	apply(&known, make_expire(0, 0), true, IKW_SA_SOFT);
	apply(&known, make_flush(XFRM_MSG_FLUSHSA, 255), true, 0);
	apply(&known, make_expire(0, 0), false, 0);
	ikw_xfrm_known_clear(&known);
}

/* An SA that a dump no longer shows is still full when its expiry comes late. */
static void test_known_rounds(void **state)
{
	struct ikw_xfrm_known known = { 0 };

	(void)state;
	know(&known);
	ikw_xfrm_known_round(&known);
	apply(&known, make_expire(1, 0), true, IKW_SA_DELETE);
	know(&known);
	ikw_xfrm_known_round(&known);
	ikw_xfrm_known_round(&known);
	apply(&known, make_expire(1, 0), true, IKW_SA_LARVAL_GONE);
	ikw_xfrm_known_clear(&known);
}

static void count(void *ctx, union ikw_event *event)
{
	(void)event;
	++*(int *)ctx;
}

/* The host's own XFRM: opens, dumps and reads without a message waiting. */
static void test_sockets(void **state)
{
	struct ikw_xfrm xfrm;
	int events = 0;
	int err = ikw_xfrm_open(&xfrm, 1, true);

	(void)state;
	if (err) {
		print_message("SKIP: sockets: %s\n", strerror(-err));
		skip();
	}
	err = ikw_xfrm_dump(&xfrm, count, &events);
	if (err == -EPERM)
		print_message("SKIP: dump: needs CAP_NET_ADMIN\n");
	else
		assert_int_equal(err, 0);
	assert_true(ikw_xfrm_read(&xfrm, count, &events) >= 0);
	ikw_xfrm_close(&xfrm);
	assert_int_equal(xfrm.fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_newsa),
		cmocka_unit_test(test_newsa_ipv6),
		cmocka_unit_test(test_updsa_and_larval),
		cmocka_unit_test(test_delsa),
		cmocka_unit_test(test_expire),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_policy_of_ipcomp),
		cmocka_unit_test(test_policy_ends),
		cmocka_unit_test(test_socket_policy),
		cmocka_unit_test(test_other_types),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_attr_lengths),
		cmocka_unit_test(test_known_life),
		cmocka_unit_test(test_known_flush),
		cmocka_unit_test(test_known_rounds),
		cmocka_unit_test(test_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
