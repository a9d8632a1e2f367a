/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket: a unix stream socket on which a client sends one request
 * (a JSON object on one line, {"request": "status"}) and gets JSON Lines back.
 * `status`: one line. `tunnels`: one line per tunnel. `record`: the recording's
 * header, then events for as long as the client stays. `clear` (ids or all, note):
 * {"cleared": N}. A failure is one line {"error": "why"}.
 *
 * Everything a client can make the agent do is bounded: request length, time to
 * send it, time without reading the answer, size of what waits for it, number
 * of clients. Who may ask: root, the agent's own user, members of the group
 * `ikewatch`; others are refused by the socket's mode and again by SO_PEERCRED.
 */
#ifndef IKEWATCH_CONTROL_H
#define IKEWATCH_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "bpf/ikewatch_event.h"
#include "control_request.h"
#include "loop.h"

#define IKW_CONTROL_SOCKET "/run/ikewatch/ikewatch.sock"
#define IKW_CONTROL_NAME   "ikewatch.sock" /* in an explicit --state-dir */

/* ---- the agent's side --------------------------------------------------- */

struct ikw_control_server;

/* The answer to a request, complete lines, malloc'd; NULL when it is unknown. */
typedef char *(*ikw_control_answer)(void *ctx, const struct ikw_control_request *request);

/*
 * Listens. `path` must be free: an agent that already listens there is an
 * error, a socket that a dead one left is replaced (a lock beside it decides).
 * spare (may be NULL) is a second path, taken only if it is free. NULL with the
 * cause in why.
 */
struct ikw_control_server *ikw_control_listen(struct ikw_loop *loop, const char *path,
					      const char *spare, ikw_control_answer answer,
					      void *ctx, char *why, size_t size);

/*
 * Whose members may ask, and whose may clear; "" or a group that does not exist:
 * only root and the agent's own user. "ikewatch" until this is called.
 */
void ikw_control_groups(struct ikw_control_server *server, const char *read, const char *clear);

/* Gives an event to the clients that record. Cheap when there are none. */
void ikw_control_event(struct ikw_control_server *server, const union ikw_event *event);

/* Drops clients that take too long. now: boot time ns. */
void ikw_control_tick(struct ikw_control_server *server, uint64_t now);

/* Boot time ns at which a tick is needed; UINT64_MAX: none. */
uint64_t ikw_control_deadline(const struct ikw_control_server *server);

/* Sends what can be sent at once, closes and removes the sockets. NULL is fine. */
void ikw_control_close(struct ikw_control_server *server);

/* ---- the client's side -------------------------------------------------- */

/*
 * The socket that --socket and --state-dir (NULL: not given) mean, into path.
 * False when it does not fit.
 */
bool ikw_control_path(const char *socket, const char *state_dir, char *path, size_t size);

/*
 * Connects and sends the request. A descriptor to read lines from, or -errno with
 * the cause in why ("PATH: no agent runs (Connection refused)").
 */
int ikw_control_connect(const char *path, const char *request, char *why, size_t size);

/* The same with a request that has more to say. */
int ikw_control_send(const char *path, const struct ikw_control_request *request, char *why,
		     size_t size);

/*
 * Does fn (bind or connect) on a unix path of any length: sun_path holds 107
 * bytes, so the directory is opened and named through /proc/self/fd. 0 or a
 * negative errno.
 */
int ikw_control_at_path(int fd, const char *path,
			int (*fn)(int fd, const struct sockaddr *addr, socklen_t len));

#endif
