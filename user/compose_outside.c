// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What RADIUS, BFD, VRRP, DNS, DHCP, echoes and a cluster's nodes showed, in words. */
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "compose.h"

#define TEXT 256

struct telling {
	const struct ikw_facts *f;
	void (*tell)(void *ctx, uint64_t time, const char *fact, const char *text);
	void *ctx;
};

static void tell_aaa(const struct telling *t)
{
	const struct ikw_radius_order *o = t->f->aaa_order;
	const struct ikw_radius_session *s = t->f->aaa_session;
	char text[TEXT], addr[64];

	if (o) {
		snprintf(text, sizeof(text),
			 "Disconnect-Request (RADIUS code 40, identifier %u) from %s%s%s", o->id,
			 ikw_addr_text(o->server, addr, sizeof(addr)), o->user[0] ? ", user " : "",
			 o->user);
		t->tell(t->ctx, o->time, "aaa_disconnect_request", text);
		snprintf(text, sizeof(text), "this host's Disconnect-ACK (code 41)");
		t->tell(t->ctx, o->acked, "aaa_disconnect_ack", text);
	}
	if (!s)
		return;
	snprintf(text, sizeof(text), "%s gave the session %u s%s%s",
		 s->changed ? "an acknowledged CoA-Request" : "the Access-Accept", s->timeout_s,
		 s->user[0] ? ", user " : "", s->user);
	t->tell(t->ctx, s->time, "aaa_session_timeout", text);
}

static void tell_bfd(const struct telling *t, const struct ikw_track_state *track)
{
	static const char *const states[] = { "AdminDown", "Down", "Init", "Up" };
	char text[TEXT], addr[64];

	snprintf(text, sizeof(text), "this host's BFD session with %s went from Up to %s",
		 ikw_addr_text(track->peer, addr, sizeof(addr)), states[track->fell_to & 3]);
	t->tell(t->ctx, track->changed, "bfd_session_down", text);
}

static void tell_vrrp(const struct telling *t, const struct ikw_track_state *track)
{
	char text[TEXT];

	if (track->elected)
		snprintf(text, sizeof(text),
			 "VRRP router %u: another with priority %u took over from this host (%u)",
			 track->id, track->elected, track->state);
	else if (!track->state)
		snprintf(text, sizeof(text), "VRRP router %u: this host resigned (priority 0)",
			 track->id);
	else
		snprintf(text, sizeof(text),
			 "VRRP router %u: this host advertises with priority %u", track->id,
			 track->state);
	t->tell(t->ctx, track->changed, "vrrp_change", text);
}

static void tell_name(const struct telling *t)
{
	const struct ikw_name *n = t->f->name;
	const struct ikw_ike_sa *ike;
	char text[TEXT], addr[64];

	if (n->count)
		snprintf(text, sizeof(text), "the answer for %s holds %s%s, not the peer's address",
			 n->name, ikw_addr_text(n->addrs[0], addr, sizeof(addr)),
			 n->count > 1 ? " and others" : "");
	else
		snprintf(text, sizeof(text), "the answer for %s holds no address (rcode %u%s)",
			 n->name, n->rcode,
			 n->rcode == 3	 ? ", NXDOMAIN"
			 : n->rcode == 2 ? ", SERVFAIL"
					 : "");
	t->tell(t->ctx, n->changed, "dns_changed", text);
	if (!t->f->moved_to)
		return;
	ike = ikw_ike_newest(t->f->moved_to->ikes);
	snprintf(text, sizeof(text), "we began an IKE_SA with %s",
		 ikw_addr_text(t->f->moved_to->remote, addr, sizeof(addr)));
	t->tell(t->ctx, ike ? ike->created : 0, "new_ike_sa_to_new_address", text);
}

static void tell_cluster(const struct telling *t)
{
	const struct ikw_cluster_word *word = t->f->cluster;
	char text[TEXT], addr[64], what[64] = "";
	uint64_t spis[2];

	memcpy(spis, word->ike, sizeof(spis));
	if (word->spi)
		snprintf(what, sizeof(what), "the CHILD_SA with the inbound SPI 0x%08x of ",
			 word->spi);
	snprintf(text, sizeof(text),
		 "%s, another node of the cluster, told that it deleted %sthe IKE_SA "
		 "%016" PRIx64 "_i %016" PRIx64 "_r",
		 ikw_addr_text(word->node, addr, sizeof(addr)), what, be64toh(spis[0]),
		 be64toh(spis[1]));
	t->tell(t->ctx, word->deleted, "cluster_delete", text);
}

void ikw_compose_outside(const struct ikw_facts *f,
			 void (*tell)(void *ctx, uint64_t time, const char *fact, const char *text),
			 void *ctx)
{
	struct telling t = { f, tell, ctx };
	char text[TEXT], addr[64];

	tell_aaa(&t);
	if (f->track && f->track->kind == IKW_WIRE_BFD)
		tell_bfd(&t, f->track);
	else if (f->track)
		tell_vrrp(&t, f->track);
	if (f->prober && !f->echo) {
		snprintf(text, sizeof(text),
			 "%.16s (pid %u), which the same script had started to send probes, failed",
			 f->prober->comm, f->prober->tgid);
		tell(ctx, f->prober->ended, "probe_failed", text);
	}
	if (f->echo) {
		snprintf(text, sizeof(text), "the script's echo requests to %s unanswered since",
			 ikw_addr_text(f->echo->addr, addr, sizeof(addr)));
		tell(ctx, f->echo->silent, "probe_unanswered", text);
	}
	if (f->name)
		tell_name(&t);
	if (f->cluster)
		tell_cluster(&t);
	if (!f->lease)
		return;
	snprintf(text, sizeof(text), "DHCP lease of %s for %u s",
		 ikw_addr_text(f->lease->addr, addr, sizeof(addr)), f->lease->lease_s);
	tell(ctx, f->lease->time, "lease_given", text);
}
