/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "control.h"
#include "send.h"

#define ASK_S 5 /* for the agent to answer */

json_t *ikw_agent_ask(const char *socket, const char *request)
{
	struct timeval limit = { .tv_sec = ASK_S };
	char why[PATH_MAX + 128];
	json_t *list, *json;
	char *line = NULL;
	size_t room = 0;
	FILE *from;
	int fd = ikw_control_connect(socket, request, why, sizeof(why));

	if (fd < 0)
		return NULL;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	from = fdopen(fd, "r");
	if (!from) {
		close(fd);
		return NULL;
	}
	list = json_array();
	while (getline(&line, &room, from) > 0) {
		json = json_loads(line, 0, NULL);
		if (!json || json_object_get(json, "error"))
			json_decref(json);
		else
			json_array_append_new(list, json);
	}
	free(line);
	fclose(from);
	return list;
}
