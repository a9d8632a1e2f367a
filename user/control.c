/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "control.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>
#include "cli.h"
#include "event.h"
#include "lock.h"
#include "stamp.h"

#define CLIENTS_MAX  32
#define CLIENTS_EACH 8 /* of one user that is not root: the others get their turn */
#define REQUEST_MAX  4096
#define REQUEST_TIME (5 * IKW_S)
#define STALL_TIME   (30 * IKW_S)
#define STREAM_MAX   (8u << 20) /* what may wait for one recording client */
#define GROUP	     "ikewatch"
#define LISTENERS    2

struct client {
	struct ikw_control_server *server;
	struct ikw_poll watch;
	char request[REQUEST_MAX];
	size_t request_len;
	char *out; /* what waits to be sent: out[sent..len) */
	size_t sent;
	size_t len;
	size_t room;
	uint64_t deadline; /* boot time ns; UINT64_MAX: none */
	uid_t uid;
	bool may_clear;
	char who[80];
	bool asked;
	bool recording;
	struct client *prev, *next;
};

struct listener {
	struct ikw_control_server *server;
	struct ikw_poll watch;
	char path[PATH_MAX];
	int lock_fd;
};

struct ikw_control_server {
	struct ikw_loop *loop;
	struct listener listeners[LISTENERS];
	ikw_control_answer answer;
	void *ctx;
	struct client *clients;
	unsigned int client_count;
	unsigned int recording_count;
	gid_t group; /* whose members may ask; (gid_t)-1: none */
	gid_t clear; /* whose members may clear; likewise */
};

/* ---- clients ------------------------------------------------------------ */

static void client_drop(struct client *client)
{
	struct ikw_control_server *server = client->server;
	int fd = client->watch.fd;

	ikw_loop_del(server->loop, &client->watch);
	if (fd >= 0)
		close(fd);
	DL_DELETE(server->clients, client);
	server->client_count--;
	if (client->recording)
		server->recording_count--;
	free(client->out);
	free(client);
}

static void client_update(struct client *client)
{
	bool waiting = client->sent < client->len;

	ikw_loop_change(client->server->loop, &client->watch,
			waiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
	if (!waiting)
		client->deadline = UINT64_MAX;
	else if (client->deadline == UINT64_MAX)
		client->deadline = ikw_boot_now() + STALL_TIME;
}

/* Sends what goes. False when the client is gone, or done with. */
static bool client_send(struct client *client)
{
	while (client->sent < client->len) {
		ssize_t n = send(client->watch.fd, client->out + client->sent,
				 client->len - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0)
			break;
		client->sent += (size_t)n;
		client->deadline = UINT64_MAX; /* it reads: its time begins anew */
	}
	if (client->sent == client->len) {
		client->sent = client->len = 0;
		if (client->asked && !client->recording)
			return false;
	}
	client_update(client);
	return true;
}

/* Adds text to what waits. False without memory. */
static bool client_add(struct client *client, const char *text, size_t len)
{
	if (client->sent && client->len + len > client->room) {
		memmove(client->out, client->out + client->sent, client->len - client->sent);
		client->len -= client->sent;
		client->sent = 0;
	}
	if (client->len + len > client->room) {
		size_t room = 2 * (client->len + len);
		char *out = realloc(client->out, room);

		if (!out)
			return false;
		client->out = out;
		client->room = room;
	}
	memcpy(client->out + client->len, text, len);
	client->len += len;
	return true;
}

static void client_fail(struct client *client, const char *why)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "{\"error\": \"%s\"}\n", why);

	client->asked = true;
	if (!client_add(client, line, (size_t)n) || !client_send(client))
		client_drop(client);
}

static void client_answer(struct client *client, const struct ikw_control_request *request)
{
	struct ikw_control_server *server = client->server;
	char *answer = server->answer(server->ctx, request);
	bool kept;

	if (!answer) {
		client_fail(client, "unknown request");
		return;
	}
	client->asked = true;
	if (!strcmp(request->name, "record")) {
		client->recording = true;
		server->recording_count++;
	}
	kept = client_add(client, answer, strlen(answer)) && client_send(client);
	free(answer);
	if (!kept)
		client_drop(client);
}

static void client_request(struct client *client, size_t len)
{
	struct ikw_control_request request;
	const char *wrong = ikw_control_parse(client->request, len, &request);

	if (wrong) {
		client_fail(client, wrong);
		return;
	}
	request.may_clear = client->may_clear;
	memcpy(request.who, client->who, sizeof(request.who));
	client_answer(client, &request);
}

/* Reads until the request is whole. After it, what a client sends is thrown away. */
static void client_read(struct client *client)
{
	char *end;
	ssize_t n;

	if (client->asked)
		client->request_len = 0;
	n = recv(client->watch.fd, client->request + client->request_len,
		 sizeof(client->request) - client->request_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_drop(client);
		return;
	}
	if (client->asked)
		return;
	client->request_len += (size_t)n;
	end = memchr(client->request, '\n', client->request_len);
	if (end)
		client_request(client, (size_t)(end - client->request));
	else if (client->request_len == sizeof(client->request))
		client_fail(client, "request too long");
}

static void client_ready(void *ctx)
{
	struct client *client = ctx;

	if (client->sent < client->len && !client_send(client)) {
		client_drop(client);
		return;
	}
	client_read(client);
}

/* ---- accepting ---------------------------------------------------------- */

/*
 * Nobody is asked who is who (NSS): a directory server may be behind the tunnel
 * that has just gone, and this thread is the agent's. The kernel knows the groups.
 */
struct peer {
	struct ucred cred;
	gid_t groups[NGROUPS_MAX];
	size_t count;
};

static bool in_group(gid_t group, const struct peer *peer)
{
	if (peer->cred.gid == group)
		return true;
	for (size_t i = 0; i < peer->count; i++)
		if (peer->groups[i] == group)
			return true;
	return false;
}

static bool is_member(gid_t group, const struct peer *peer)
{
	return peer->cred.uid == 0 || peer->cred.uid == geteuid() ||
	       (group != (gid_t)-1 && in_group(group, peer));
}

/* As this host's own file has it. */
static void name_user(uid_t uid, char *to, size_t size)
{
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *pw = file ? fgetpwent(file) : NULL;

	while (pw && pw->pw_uid != uid)
		pw = fgetpwent(file);
	if (pw)
		snprintf(to, size, "%.64s", pw->pw_name);
	else
		snprintf(to, size, "uid %u", uid);
	if (file)
		fclose(file);
}

/* Who it is and what it may, by the kernel's word. False: nothing. */
static bool know_client(const struct ikw_control_server *server, struct client *client, int fd)
{
	static struct peer peer;
	socklen_t len = sizeof(peer.cred), room = sizeof(peer.groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer.cred, &len) < 0)
		return false;
	peer.count = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups, &room)
			     ? 0
			     : room / sizeof(gid_t);
	client->uid = peer.cred.uid;
	client->may_clear = is_member(server->clear, &peer);
	name_user(peer.cred.uid, client->who, sizeof(client->who));
	return client->may_clear || is_member(server->group, &peer);
}

static bool has_too_many(const struct ikw_control_server *server, uid_t uid)
{
	const struct client *client;
	unsigned int count = 0;

	DL_FOREACH (server->clients, client)
		count += client->uid == uid;
	return uid && count >= CLIENTS_EACH;
}

static void listener_ready(void *ctx)
{
	struct listener *listener = ctx;
	struct ikw_control_server *server = listener->server;
	int fd = accept4(listener->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client;

	if (fd < 0)
		return;
	client = server->client_count < CLIENTS_MAX ? calloc(1, sizeof(*client)) : NULL;
	if (!client || !know_client(server, client, fd) || has_too_many(server, client->uid)) {
		free(client);
		close(fd);
		return;
	}
	client->server = server;
	client->deadline = ikw_boot_now() + REQUEST_TIME;
	client->watch = (struct ikw_poll){ .ready = client_ready, .ctx = client };
	DL_APPEND(server->clients, client);
	server->client_count++;
	if (ikw_loop_add(server->loop, &client->watch, fd, EPOLLIN) < 0) {
		close(fd);
		client_drop(client);
	}
}

/* The lock is what counts: it goes with its holder, however that ends. */
static int take_lock(struct listener *listener)
{
	char path[PATH_MAX + 8];
	int fd;

	snprintf(path, sizeof(path), "%s.lock", listener->path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return -EADDRINUSE;
	}
	listener->lock_fd = fd;
	return 0;
}

static int bind_at(const struct listener *listener, int fd, gid_t group)
{
	mode_t mask = umask(0177);
	int err;

	unlink(listener->path);
	err = ikw_control_at_path(fd, listener->path, bind);
	umask(mask);
	if (!err && group != (gid_t)-1 && !chown(listener->path, (uid_t)-1, group))
		chmod(listener->path, 0660);
	return err;
}

/* Where systemd has not made it (RuntimeDirectory=). */
static void make_usual_dir(const char *path)
{
	char dir[] = IKW_CONTROL_SOCKET;

	if (strcmp(path, IKW_CONTROL_SOCKET))
		return;
	*strrchr(dir, '/') = 0;
	mkdir(dir, 0755);
}

static int listener_open(struct listener *listener, const char *path)
{
	int err, fd;

	make_usual_dir(path);

	if ((size_t)snprintf(listener->path, sizeof(listener->path), "%s", path) >=
	    sizeof(listener->path))
		return -ENAMETOOLONG;
	err = take_lock(listener);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = fd < 0 ? -errno : bind_at(listener, fd, listener->server->group);
	if (!err && listen(fd, 16) < 0)
		err = -errno;
	listener->watch = (struct ikw_poll){ -1, listener_ready, listener };
	if (!err)
		err = ikw_loop_add(listener->server->loop, &listener->watch, fd, EPOLLIN);
	if (err && fd >= 0)
		close(fd);
	if (err) {
		close(listener->lock_fd);
		listener->lock_fd = -1;
	}
	return err;
}

static void say_refused(const char *path, int err, char *why, size_t size)
{
	char lock[PATH_MAX + 8];

	snprintf(lock, sizeof(lock), "%s.lock", path);
	if (err == -EADDRINUSE)
		snprintf(why, size, "%s: another agent runs here (pid %d)", path,
			 (int)ikw_lock_holder(lock));
	else
		snprintf(why, size, "%s: %s", path, strerror(-err));
}

struct ikw_control_server *ikw_control_listen(struct ikw_loop *loop, const char *path,
					      const char *spare, ikw_control_answer answer,
					      void *ctx, char *why, size_t size)
{
	struct ikw_control_server *server = calloc(1, sizeof(*server));
	const struct group *group = getgrnam(GROUP);
	int err;

	if (!server) {
		snprintf(why, size, "%s: %s", path, strerror(ENOMEM));
		return NULL;
	}
	server->loop = loop;
	server->answer = answer;
	server->ctx = ctx;
	server->group = group ? group->gr_gid : (gid_t)-1;
	server->clear = server->group;
	for (int i = 0; i < LISTENERS; i++) {
		server->listeners[i].server = server;
		server->listeners[i].watch.fd = -1;
		server->listeners[i].lock_fd = -1;
	}
	err = listener_open(&server->listeners[0], path);
	if (err) {
		say_refused(path, err, why, size);
		free(server);
		return NULL;
	}
	if (spare)
		listener_open(&server->listeners[1], spare);
	return server;
}

/* ---- the rest of the agent's side --------------------------------------- */

/* The usual group need not be there, where nobody installed the package. */
static gid_t group_id(const char *name)
{
	const struct group *group = *name ? getgrnam(name) : NULL;

	if (!group && *name && strcmp(name, GROUP))
		ikw_error("group %s: there is none of that name", name);
	return group ? group->gr_gid : (gid_t)-1;
}

/* Without privileges, and once it has dropped them, the agent can do so for no group it is not in.
 */
static void share(const struct listener *listener, const char *name, gid_t group)
{
	bool given = group != (gid_t)-1 && !chown(listener->path, (uid_t)-1, group);

	if (!given && group != (gid_t)-1)
		ikw_error("%s: cannot be given to group %s (%s): root alone may ask",
			  listener->path, name, strerror(errno));
	chmod(listener->path, given ? 0660 : 0600);
}

void ikw_control_groups(struct ikw_control_server *server, const char *read, const char *clear)
{
	gid_t group = group_id(read);

	if (!server)
		return;
	server->clear = group_id(clear);
	for (int i = 0; i < LISTENERS && group != server->group; i++)
		if (server->listeners[i].watch.fd >= 0)
			share(&server->listeners[i], read, group);
	server->group = group;
}

void ikw_control_event(struct ikw_control_server *server, const union ikw_event *event)
{
	struct client *client, *next;
	char *line;
	size_t len;

	if (!server || !server->recording_count)
		return;
	line = ikw_event_line(event);
	if (!line)
		return;
	len = strlen(line);
	line[len++] = '\n'; /* in place of the NUL */
	DL_FOREACH_SAFE (server->clients, client, next) {
		if (!client->recording)
			continue;
		if (client->len - client->sent + len > STREAM_MAX ||
		    !client_add(client, line, len) || !client_send(client))
			client_drop(client);
	}
	free(line);
}

void ikw_control_tick(struct ikw_control_server *server, uint64_t now)
{
	struct client *client, *next;

	DL_FOREACH_SAFE (server->clients, client, next) {
		if (client->deadline <= now)
			client_drop(client);
	}
}

uint64_t ikw_control_deadline(const struct ikw_control_server *server)
{
	const struct client *client;
	uint64_t deadline = UINT64_MAX;

	DL_FOREACH (server->clients, client) {
		if (client->deadline < deadline)
			deadline = client->deadline;
	}
	return deadline;
}

void ikw_control_close(struct ikw_control_server *server)
{
	if (!server)
		return;
	while (server->clients)
		client_drop(server->clients);
	for (int i = 0; i < LISTENERS; i++) {
		struct listener *listener = &server->listeners[i];
		int fd = listener->watch.fd;

		ikw_loop_del(server->loop, &listener->watch);
		if (fd < 0)
			continue;
		close(fd);
		unlink(listener->path); /* under the lock: nobody else's */
		close(listener->lock_fd);
	}
	free(server);
}
