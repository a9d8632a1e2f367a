/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finding and reaching the control socket, for both sides of it. */
#include "control.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

int ikw_control_at_path(int fd, const char *path,
			int (*fn)(int fd, const struct sockaddr *addr, socklen_t len))
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int dir_fd, err;

	if (strlen(path) < sizeof(addr.sun_path)) {
		memcpy(addr.sun_path, path, strlen(path) + 1);
		return fn(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	}
	if (!slash)
		return -ENAMETOOLONG;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir_fd,
			     slash + 1) >= sizeof(addr.sun_path))
		err = -ENAMETOOLONG;
	else
		err = fn(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	close(dir_fd);
	return err;
}

bool ikw_control_path(const char *socket_path, const char *state_dir, char *path, size_t size)
{
	int n;

	if (socket_path)
		n = snprintf(path, size, "%s", socket_path);
	else if (state_dir)
		n = snprintf(path, size, "%s/" IKW_CONTROL_NAME, state_dir);
	else
		n = snprintf(path, size, IKW_CONTROL_SOCKET);
	return n >= 0 && (size_t)n < size;
}

static int send_line(const char *path, const char *line, char *why, size_t size)
{
	ssize_t len = (ssize_t)strlen(line);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 ? -errno : ikw_control_at_path(fd, path, connect);

	if (!err && send(fd, line, (size_t)len, MSG_NOSIGNAL) != len)
		err = -errno;
	if (!err)
		return fd;
	if (err == -ENOENT || err == -ECONNREFUSED)
		snprintf(why, size, "%s: no agent runs (%s)", path, strerror(-err));
	else
		snprintf(why, size, "%s: %s", path, strerror(-err));
	if (fd >= 0)
		close(fd);
	return err;
}

int ikw_control_connect(const char *path, const char *request, char *why, size_t size)
{
	char line[128];

	snprintf(line, sizeof(line), "{\"request\": \"%s\"}\n", request);
	return send_line(path, line, why, size);
}

int ikw_control_send(const char *path, const struct ikw_control_request *request, char *why,
		     size_t size)
{
	char *line = ikw_control_format(request);
	int fd = -1;

	if (line)
		fd = send_line(path, line, why, size);
	else
		snprintf(why, size, "%s: %s", path, strerror(ENOMEM));
	free(line);
	return fd;
}
