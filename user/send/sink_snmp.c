/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SNMP notifications, v2c and v3, as traps or informs (RFC 3416): the vendor's
 * hwIPSecTunnelStop with its 14 variables in the vendor's order, and in addition,
 * when asked for, the notification of IKEWATCH-MIB. Only an inform is confirmed
 * by the receiver; of a trap nobody knows whether it came.
 *
 *	snmp "nms" {
 *		address = "udp:192.0.2.9:162"
 *		version = "3"           inform = true
 *		user = "ikewatch"       auth-key = "..."        priv-key = "..."
 *	}
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>
#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include "join.h"
#include "send.h"
#include "stamp.h"
#include "stream.h"

static cfg_opt_t options[] = { IKW_SINK_COMMON,
			       CFG_STR("address", NULL, CFGF_NONE),
			       CFG_STR("version", "2c", CFGF_NONE),
			       CFG_BOOL("inform", cfg_true, CFGF_NONE),
			       CFG_STR("community", NULL, CFGF_NONE),
			       CFG_STR("community-file", NULL, CFGF_NONE),
			       CFG_STR("user", NULL, CFGF_NONE),
			       CFG_STR("auth", "SHA", CFGF_NONE),
			       CFG_STR("auth-key", NULL, CFGF_NONE),
			       CFG_STR("auth-key-file", NULL, CFGF_NONE),
			       CFG_STR("priv", "AES", CFGF_NONE),
			       CFG_STR("priv-key", NULL, CFGF_NONE),
			       CFG_STR("priv-key-file", NULL, CFGF_NONE),
			       CFG_STR("engine-id", NULL, CFGF_NONE),
			       CFG_STR("context", "", CFGF_NONE),
			       CFG_BOOL("tunnel-start", cfg_false, CFGF_NONE),
			       CFG_BOOL("extras", cfg_false, CFGF_NONE),
			       CFG_STR("extras-oid", "1.3.6.1.4.1.8072.9999.9999.4285", CFGF_NONE),
			       CFG_END() };

#define KEY_MAX	   256
#define ENGINE_MAX 32

/* A tunnel that came up, and has been told of or is older than this process. */
struct started {
	uint32_t tunnel; /* key */
	uint64_t since;	 /* Unix us */
	UT_hash_handle hh;
};

struct snmp_data {
	struct snmp_session *session; /* NULL: not open */
	struct started *started;
	uint64_t opened; /* Unix us */
	oid extras[MAX_OID_LEN];
	size_t extras_len;
	bool v3;
	bool inform;
};

/* ---- settings --------------------------------------------------------------- */

static bool check_oid(struct ikw_sink *sink, oid *to, size_t *len)
{
	const char *text = cfg_getstr(sink->config, "extras-oid");

	*len = 0;
	for (const char *c = text; *len < MAX_OID_LEN - 8; c++) {
		char *end;
		unsigned long number = strtoul(c, &end, 10);

		if (end == c || *c < '0' || *c > '9' || number > UINT32_MAX)
			break;
		to[(*len)++] = number;
		if (!*end && *len >= 3 && to[0] == 1)
			return true;
		if (*end != '.')
			break;
		c = end;
	}
	return ikw_sink_fail(sink, "extras-oid = \"%s\": not an object identifier", text);
}

/* "0x8000..." or NULL for the usual one; RFC 3411: 5 to 32 octets. */
static bool check_engine(struct ikw_sink *sink)
{
	const char *text = ikw_sink_text(sink, "engine-id");
	size_t digits = text && !strncmp(text, "0x", 2) ? strlen(text) - 2 : 0;

	if (!text || (digits >= 10 && digits <= 2 * ENGINE_MAX && !(digits & 1) &&
		      strspn(text + 2, "0123456789abcdefABCDEF") == digits))
		return true;
	return ikw_sink_fail(sink, "engine-id = \"%s\": not 0x and 5 to 32 octets in hex", text);
}

static bool check_v3(struct ikw_sink *sink)
{
	static const char *const auths[] = { "SHA", "MD5", "SHA-256", "SHA-512" };
	static const char *const privs[] = { "AES", "DES" };
	static const char *const keys[] = { "auth-key", "priv-key" };
	char key[KEY_MAX];

	if (!ikw_sink_text(sink, "user"))
		return ikw_sink_fail(sink, "user: is needed for version 3");
	if (ikw_sink_choice(sink, "auth", auths, 4) < 0 ||
	    ikw_sink_choice(sink, "priv", privs, 2) < 0)
		return false;
	for (int i = 0; i < 2; i++) {
		int got = ikw_sink_secret(sink, keys[i], key, sizeof(key));

		if (got < 0)
			return false;
		if (!got)
			return ikw_sink_fail(sink, "%s: is needed for version 3 (authPriv)",
					     keys[i]);
		if (strlen(key) < USM_LENGTH_P_MIN)
			return ikw_sink_fail(sink, "%s: shorter than 8 characters", keys[i]);
	}
	return check_engine(sink);
}

static bool snmp_check(struct ikw_sink *sink)
{
	static const char *const versions[] = { "2c", "3" };
	int version = ikw_sink_choice(sink, "version", versions, 2);
	char community[KEY_MAX];
	oid extras[MAX_OID_LEN];
	size_t len;

	if (version < 0 || !check_oid(sink, extras, &len))
		return false;
	if (!ikw_sink_text(sink, "address"))
		return ikw_sink_fail(sink, "address: is needed");
	if (version == 1)
		return check_v3(sink);
	switch (ikw_sink_secret(sink, "community", community, sizeof(community))) {
	case 1:
		return true;
	case 0:
		return ikw_sink_fail(sink, "community: is needed for version 2c");
	default:
		return false;
	}
}

/* ---- the session ------------------------------------------------------------ */

/* net-snmp reads and writes no files of its own; what it needs comes from ours. */
static void library_init(struct ikw_sink *sink)
{
	const char *engine = ikw_sink_text(sink, "engine-id");
	char line[256];

	setenv("MIBS", "", 1);
	setenv("MIBDIRS", "/nonexistent", 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_LOAD, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_SAVE, 1);
	snmp_disable_log();
	if (engine)
		snprintf(line, sizeof(line), "exactEngineID %s", engine);
	else /* enterprise 8072, format 4: text, at most 27 octets of it */
		snprintf(line, sizeof(line), "engineID %.27s", sink->gateway);
	netsnmp_config_remember(line);
	/*
	 * The sender of a trap is the one whose clock counts (RFC 3414): a receiver
	 * refuses, silently, a number of starts that it has seen before.
	 */
	snprintf(line, sizeof(line), "engineBoots %llu",
		 (unsigned long long)(sink->starts ? sink->starts - 1 : 0) & 0x7fffffff);
	netsnmp_config_remember(line);
	init_snmp("ikewatch-send");
}

static bool make_key(struct ikw_sink *sink, const char *option, const oid *auth, size_t auth_len,
		     u_char *key, size_t *len)
{
	char text[KEY_MAX];

	if (ikw_sink_secret(sink, option, text, sizeof(text)) != 1)
		return ikw_sink_fail(sink, "%s: cannot be read", option);
	*len = USM_AUTH_KU_LEN;
	if (generate_Ku(auth, (u_int)auth_len, (u_char *)text, strlen(text), key, len) !=
	    SNMPERR_SUCCESS)
		return ikw_sink_fail(sink, "%s: no key can be made of it", option);
	return true;
}

static bool set_v3(struct ikw_sink *sink, struct snmp_session *s)
{
	int auth = usm_lookup_auth_type(cfg_getstr(sink->config, "auth"));
	int priv = usm_lookup_priv_type(cfg_getstr(sink->config, "priv"));
	const oid *proto;
	size_t len = 0;

	if (auth < 0 || priv < 0)
		return ikw_sink_fail(sink, "%s: not supported by this net-snmp",
				     cfg_getstr(sink->config, auth < 0 ? "auth" : "priv"));
	s->version = SNMP_VERSION_3;
	s->securityModel = SNMP_SEC_MODEL_USM;
	s->securityLevel = SNMP_SEC_LEVEL_AUTHPRIV;
	s->securityName = (char *)ikw_sink_text(sink, "user");
	s->securityNameLen = strlen(s->securityName);
	s->contextName = cfg_getstr(sink->config, "context");
	s->contextNameLen = strlen(s->contextName);
	proto = sc_get_auth_oid(auth, &len);
	s->securityAuthProto = snmp_duplicate_objid(proto, len);
	s->securityAuthProtoLen = len;
	if (!make_key(sink, "auth-key", proto, len, s->securityAuthKey, &s->securityAuthKeyLen) ||
	    !make_key(sink, "priv-key", proto, len, s->securityPrivKey, &s->securityPrivKeyLen))
		return false;
	proto = sc_get_priv_oid(priv, &len);
	s->securityPrivProto = snmp_duplicate_objid(proto, len);
	s->securityPrivProtoLen = len;
	return true;
}

/* The sender of a trap speaks with its own engine; that of an inform asks the receiver for its. */
static void set_own_engine(struct snmp_session *s)
{
	u_char engine[SNMP_MAXBUF_SMALL];
	size_t len = snmpv3_get_engineID(engine, sizeof(engine));

	s->securityEngineID = netsnmp_memdup(engine, len);
	s->securityEngineIDLen = len;
	s->contextEngineID = netsnmp_memdup(engine, len);
	s->contextEngineIDLen = len;
	s->engineBoots = (u_int)snmpv3_local_snmpEngineBoots();
	s->engineTime = (u_int)snmpv3_local_snmpEngineTime();
}

/* A wrong privacy key leaves the receiver with rubbish, and that it drops without a word. */
static const char *why_silent(const struct snmp_session *s)
{
	if (s->version != SNMP_VERSION_3)
		return "(or another community)";
	return s->securityEngineIDLen
		       ? "although its engine answers and refuses neither user nor auth-key: wrong "
			 "priv-key, or no right for this user"
		       : "(or unknown user)";
}

static bool fail_session(struct ikw_sink *sink, struct snmp_session *s)
{
	const char *address = cfg_getstr(sink->config, "address");
	int library, system;
	char *text;

	snmp_error(s, &system, &library, &text);
	ikw_sink_fail(sink, "%s: %s", address,
		      text && *text ? text : "not an address that can be reached");
	if (library == SNMPERR_TIMEOUT)
		ikw_sink_fail(sink, "%s: no answer to an inform %s", address, why_silent(s));
	free(text);
	return false;
}

static bool open_session(struct ikw_sink *sink, struct snmp_data *data)
{
	char community[KEY_MAX];
	struct snmp_session s;
	bool good = true;

	snmp_sess_init(&s);
	s.peername = cfg_getstr(sink->config, "address");
	s.timeout = (long)sink->timeout_s * 500000L; /* twice in timeout_s */
	s.retries = 1;
	s.version = SNMP_VERSION_2c;
	if (data->v3) {
		good = set_v3(sink, &s);
		if (good && !data->inform)
			set_own_engine(&s);
	} else {
		good = ikw_sink_secret(sink, "community", community, sizeof(community)) == 1;
		s.community = (u_char *)community;
		s.community_len = strlen(community);
	}
	if (good) {
		data->session = snmp_add(&s, netsnmp_transport_open_client("snmptrap", s.peername),
					 NULL, NULL);
		if (!data->session)
			good = fail_session(sink, &s);
	}
	free(s.securityAuthProto);
	free(s.securityPrivProto);
	free(s.securityEngineID);
	free(s.contextEngineID);
	return good;
}

static void close_session(struct snmp_data *data)
{
	if (data->session)
		snmp_close(data->session);
	data->session = NULL;
}

static bool snmp_sink_open(struct ikw_sink *sink)
{
	struct snmp_data *data = calloc(1, sizeof(*data));

	if (!data)
		return ikw_sink_fail(sink, "%s", strerror(ENOMEM));
	sink->data = data;
	data->v3 = !strcmp(cfg_getstr(sink->config, "version"), "3");
	data->inform = cfg_getbool(sink->config, "inform");
	data->opened = ikw_wall_now() / 1000;
	library_init(sink);
	return check_oid(sink, data->extras, &data->extras_len);
}

static void snmp_sink_close(struct ikw_sink *sink)
{
	struct snmp_data *data = sink->data;
	struct started *started, *next;

	if (!data)
		return;
	HASH_ITER (hh, data->started, started, next) {
		HASH_DEL(data->started, started);
		free(started);
	}
	close_session(data);
	free(data);
	sink->data = NULL;
}

/* ---- the variables ---------------------------------------------------------- */

#define VARIABLES(list) (sizeof(list) / sizeof((list)[0]))
#define IPSEC_MIB	1, 3, 6, 1, 4, 1, 2011, 6, 122, 26

static const oid sys_up_time[] = { 1, 3, 6, 1, 2, 1, 1, 3, 0 };
static const oid trap_oid[] = { 1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0 };
static const oid tunnel_start[] = { IPSEC_MIB, 6, 1 };
static const oid tunnel_stop[] = { IPSEC_MIB, 6, 2 };

/* A variable of the vendor's notifications, in the order in which they are sent. */
struct variable {
	oid where[3]; /* below IPSEC_MIB */
	size_t where_len;
	const char *member; /* of the alarm object, or of the tunnel's */
	size_t max;	    /* octets of text; 0: a Gauge32 */
};

static const struct variable stop_variables[] = {
	{ { 2, 1, 1 }, 3, "ifindex", 0 },	 { { 2, 1, 2 }, 3, "seq_num", 0 },
	{ { 2, 1, 3 }, 3, "tunnel_index", 0 },	 { { 2, 1, 4 }, 3, "rule_num", 0 },
	{ { 2, 1, 5 }, 3, "dst_ip", 128 },	 { { 2, 1, 6 }, 3, "inside_ip", 128 },
	{ { 2, 1, 7 }, 3, "remote_port", 0 },	 { { 2, 1, 8 }, 3, "cpu_id", 0 },
	{ { 2, 1, 21 }, 3, "src_ip", 128 },	 { { 2, 1, 30 }, 3, "flow_info", 255 },
	{ { 5, 12 }, 2, "offline_reason", 128 }, { { 5, 13 }, 2, "vsys_name", 31 },
	{ { 5, 14 }, 2, "interface_name", 63 },	 { { 2, 1, 29 }, 3, "slot_id", 0 },
};

static void add_gauge(netsnmp_pdu *pdu, const oid *name, size_t len, uint64_t value)
{
	u_int gauge = value > UINT32_MAX ? UINT32_MAX : (u_int)value;

	snmp_pdu_add_variable(pdu, name, len, ASN_GAUGE, &gauge, sizeof(gauge));
}

/* At most max octets, no character cut in two; the MIB wants at least one octet. */
static void add_text(netsnmp_pdu *pdu, const oid *name, size_t len, const char *text, size_t max)
{
	size_t size = strlen(text);

	if (size > max) {
		size = max;
		while (size && ((unsigned char)text[size] & 0xc0) == 0x80)
			size--;
	}
	if (!size) {
		text = "-";
		size = 1;
	}
	snmp_pdu_add_variable(pdu, name, len, ASN_OCTET_STR, text, size);
}

/* Who initiated is not known, nor is the CPU (0). */
static const struct variable start_variables[] = {
	{ { 2, 1, 1 }, 3, "ifindex", 0 },      { { 2, 1, 2 }, 3, "seq_num", 0 },
	{ { 2, 1, 3 }, 3, "tunnel_index", 0 }, { { 2, 1, 4 }, 3, "rule_num", 0 },
	{ { 2, 1, 5 }, 3, "dst_ip", 128 },     { { 2, 1, 6 }, 3, "inside_ip", 128 },
	{ { 2, 1, 7 }, 3, "remote_port", 0 },  { { 2, 1, 8 }, 3, "cpu_id", 0 },
	{ { 2, 1, 21 }, 3, "src_ip", 128 },    { { 2, 1, 30 }, 3, "flow_info", 255 },
	{ { 2, 1, 25 }, 3, "life_size", 0 },   { { 2, 1, 26 }, 3, "life_time", 0 },
	{ { 5, 13 }, 2, "vsys_name", 31 },     { { 5, 14 }, 2, "interface_name", 63 },
	{ { 2, 1, 29 }, 3, "slot_id", 0 },     { { 5, 15 }, 2, "initiator", 19 },
};

static void add_variable(netsnmp_pdu *pdu, const struct variable *v,
			 const struct ikw_parcel *parcel)
{
	oid name[MAX_OID_LEN] = { IPSEC_MIB };
	size_t len = 10;

	memcpy(name + len, v->where, v->where_len * sizeof(oid));
	len += v->where_len;
	if (v->where[0] == 2) {
		name[len++] = (oid)ikw_parcel_number(parcel, "ifindex");
		name[len++] = (oid)ikw_parcel_number(parcel, "seq_num");
		name[len++] = (oid)ikw_parcel_number(parcel, "tunnel_index");
	} else {
		name[len++] = 0;
	}
	if (v->max)
		add_text(pdu, name, len, ikw_parcel_text(parcel, v->member), v->max);
	else
		add_gauge(pdu, name, len, ikw_parcel_number(parcel, v->member));
}

static void add_head(netsnmp_pdu *pdu, const oid *which, size_t len)
{
	u_int ticks = (u_int)(ikw_boot_now() / (10 * IKW_MS)); /* of 1/100 s */

	snmp_pdu_add_variable(pdu, sys_up_time, OID_LENGTH(sys_up_time), ASN_TIMETICKS, &ticks,
			      sizeof(ticks));
	snmp_pdu_add_variable(pdu, trap_oid, OID_LENGTH(trap_oid), ASN_OBJECT_ID, which,
			      len * sizeof(oid));
}

/* IKEWATCH-MIB: objects BASE.1.N.0, notification BASE.0.1. */
static void add_extras(netsnmp_pdu *pdu, const struct snmp_data *data,
		       const struct ikw_parcel *parcel)
{
	static const char *const members[] = { "uid",	     "tunnel_index", "offline_reason",
					       "confidence", "detail",	     "time" };
	oid name[MAX_OID_LEN];
	size_t len = data->extras_len;

	memcpy(name, data->extras, len * sizeof(oid));
	name[len] = 0;
	name[len + 1] = 1;
	add_head(pdu, name, len + 2);
	name[len] = 1;
	name[len + 2] = 0;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		name[len + 1] = i + 1;
		if (i == 1)
			add_gauge(pdu, name, len + 3, ikw_parcel_number(parcel, members[i]));
		else
			add_text(pdu, name, len + 3, ikw_parcel_text(parcel, members[i]), 255);
	}
}

/* ---- sending ---------------------------------------------------------------- */

static bool send_inform(struct ikw_sink *sink, struct snmp_data *data, netsnmp_pdu *pdu)
{
	netsnmp_pdu *response = NULL;
	int status = snmp_synch_response(data->session, pdu, &response);
	bool good = status == STAT_SUCCESS && response && response->errstat == SNMP_ERR_NOERROR;

	if (good)
		snprintf(sink->answer, sizeof(sink->answer), "inform acknowledged by %s",
			 cfg_getstr(sink->config, "address"));
	else if (status == STAT_SUCCESS && response)
		ikw_sink_fail(sink, "%s: %s", cfg_getstr(sink->config, "address"),
			      snmp_errstring((int)response->errstat));
	else
		fail_session(sink, data->session);
	if (response)
		snmp_free_pdu(response);
	return good;
}

static bool send_trap(struct ikw_sink *sink, struct snmp_data *data, netsnmp_pdu *pdu)
{
	if (!snmp_send(data->session, pdu)) {
		fail_session(sink, data->session);
		snmp_free_pdu(pdu);
		return false;
	}
	snprintf(sink->answer, sizeof(sink->answer),
		 "trap sent to %s; traps are not acknowledged (inform = true asks for it)",
		 cfg_getstr(sink->config, "address"));
	return true;
}

enum notification { STOP, START, EXTRAS };

static void fill_pdu(netsnmp_pdu *pdu, const struct snmp_data *data,
		     const struct ikw_parcel *parcel, enum notification which)
{
	if (which == EXTRAS) {
		add_extras(pdu, data, parcel);
	} else if (which == START) {
		add_head(pdu, tunnel_start, OID_LENGTH(tunnel_start));
		for (size_t i = 0; i < VARIABLES(start_variables); i++)
			add_variable(pdu, &start_variables[i], parcel);
	} else {
		add_head(pdu, tunnel_stop, OID_LENGTH(tunnel_stop));
		for (size_t i = 0; i < VARIABLES(stop_variables); i++)
			add_variable(pdu, &stop_variables[i], parcel);
	}
}

static bool send_one(struct ikw_sink *sink, const struct ikw_parcel *parcel,
		     enum notification which)
{
	struct snmp_data *data = sink->data;
	netsnmp_pdu *pdu;

	if (!data->session && !open_session(sink, data))
		return false;
	pdu = snmp_pdu_create(data->inform ? SNMP_MSG_INFORM : SNMP_MSG_TRAP2);
	if (!pdu)
		return ikw_sink_fail(sink, "%s", strerror(ENOMEM));
	fill_pdu(pdu, data, parcel, which);
	return data->inform ? send_inform(sink, data, pdu) : send_trap(sink, data, pdu);
}

/* A receiver that was started again has another engine: a new session asks for it. */
static bool snmp_sink_send(struct ikw_sink *sink, const struct ikw_parcel *parcel)
{
	struct snmp_data *data = sink->data;

	if (send_one(sink, parcel, STOP) &&
	    (!cfg_getbool(sink->config, "extras") || send_one(sink, parcel, EXTRAS)))
		return true;
	close_session(data);
	return false;
}

/* ---- tunnels that come up ---------------------------------------------------- */

/* So long it is held back: the alarm of a deletion just before settles that long, and goes first.
 */
#define START_HOLD_US (3 * 1000000ULL)
/* The clock that up_since is told by is adjusted; a tunnel that came up anew did so later. */
#define SAME_START_US 500000ULL
#define LIFE_SIZE_MAX 200000000 /* the MIB's bounds */
#define LIFE_TIME_MAX 604800

static json_int_t life_of(const json_t *tunnel, const char *member, json_int_t max,
			  json_int_t without)
{
	json_int_t life = json_integer_value(json_object_get(tunnel, member));

	if (!life)
		return without;
	return life < max ? life : max;
}

/* What the agent says of a tunnel, by the names that an alarm has. False without memory. */
static bool make_start(struct ikw_parcel *parcel, const json_t *tunnel)
{
	json_t *json = json_deep_copy(tunnel);

	*parcel = (struct ikw_parcel){ .json = json };
	return json && !json_object_set(json, "seq_num", json_object_get(tunnel, "reqid")) &&
	       !json_object_set(json, "tunnel_index", json_object_get(tunnel, "index")) &&
	       !json_object_set_new(json, "life_size",
				    json_integer(life_of(tunnel, "life_kib", LIFE_SIZE_MAX, 0))) &&
	       !json_object_set_new(
		       json, "life_time",
		       json_integer(life_of(tunnel, "life_s", LIFE_TIME_MAX, LIFE_TIME_MAX)));
}

static bool tell_start(struct ikw_sink *sink, const json_t *tunnel)
{
	struct ikw_parcel parcel;
	bool sent = make_start(&parcel, tunnel) ? send_one(sink, &parcel, START)
						: ikw_sink_fail(sink, "%s", strerror(ENOMEM));

	ikw_parcel_clear(&parcel);
	if (!sent)
		close_session(sink->data);
	return sent;
}

/* Has it come up, anew, since this process began, and long enough ago? */
static bool is_start(struct snmp_data *data, const json_t *tunnel, uint64_t now, uint64_t *since)
{
	uint32_t index = (uint32_t)json_integer_value(json_object_get(tunnel, "index"));
	struct started *started;

	*since = json_is_true(json_object_get(tunnel, "up"))
			 ? ikw_time_of(json_string_value(json_object_get(tunnel, "up_since")))
			 : 0;
	if (*since < data->opened || *since + START_HOLD_US > now)
		return false;
	HASH_FIND(hh, data->started, &index, sizeof(index), started);
	return !started || *since > started->since + SAME_START_US;
}

static void note_start(struct snmp_data *data, const json_t *tunnel, uint64_t since)
{
	uint32_t index = (uint32_t)json_integer_value(json_object_get(tunnel, "index"));
	struct started *started;

	HASH_FIND(hh, data->started, &index, sizeof(index), started);
	if (!started) {
		started = calloc(1, sizeof(*started));
		if (!started)
			return;
		started->tunnel = index;
		HASH_ADD(hh, data->started, tunnel, sizeof(started->tunnel), started);
	}
	started->since = since;
}

static bool snmp_sink_tick(struct ikw_sink *sink)
{
	struct snmp_data *data = sink->data;
	uint64_t now = ikw_wall_now() / 1000, since;
	json_t *tunnels, *tunnel;
	bool good = true;
	size_t i;

	if (!cfg_getbool(sink->config, "tunnel-start"))
		return true;
	tunnels = ikw_agent_ask(sink->socket, "tunnels");
	json_array_foreach (tunnels, i, tunnel) {
		if (!good || !is_start(data, tunnel, now, &since))
			continue;
		good = tell_start(sink, tunnel);
		if (good)
			note_start(data, tunnel, since);
	}
	json_decref(tunnels);
	return good;
}

/*
 * An inform that is no alarm: BASE.0.2, ikewatchReceiverTried. A receiver of
 * notifications answers nothing else, so nothing less shows that it takes them
 * with this user and these keys, or with this community.
 */
static bool probe_inform(struct ikw_sink *sink, struct snmp_data *data)
{
	netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_INFORM);
	oid name[MAX_OID_LEN];
	size_t len = data->extras_len;

	if (!pdu)
		return ikw_sink_fail(sink, "%s", strerror(ENOMEM));
	memcpy(name, data->extras, len * sizeof(oid));
	name[len] = 0;
	name[len + 1] = 2;
	add_head(pdu, name, len + 2);
	if (!send_inform(sink, data, pdu))
		return false;
	snprintf(sink->answer, sizeof(sink->answer),
		 "%s takes informs from us (tried with one that is no alarm)",
		 cfg_getstr(sink->config, "address"));
	return true;
}

static bool snmp_sink_probe(struct ikw_sink *sink)
{
	struct snmp_data *data = sink->data;
	const char *address = cfg_getstr(sink->config, "address");
	char host[256];

	if (!open_session(sink, data) ||
	    (sscanf(address, "udp%*[6]:%255[^:]:", host) + sscanf(address, "udp:%255[^:]:", host) >
		     0 &&
	     !ikw_stream_udp_probe(sink)))
		return false;
	if (data->inform)
		return probe_inform(sink, data);
	snprintf(sink->answer, sizeof(sink->answer),
		 "nothing says that nobody is at %s; of a trap nothing more is ever known",
		 address);
	return true;
}

const struct ikw_sink_type ikw_sink_snmp = {
	.name = "snmp",
	.options = options,
	.check = snmp_check,
	.open = snmp_sink_open,
	.send = snmp_sink_send,
	.close = snmp_sink_close,
	.probe = snmp_sink_probe,
	.tick = snmp_sink_tick,
};
