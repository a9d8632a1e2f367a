/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"
#include <stdio.h>
#include <string.h>

/* Help is answered here for every command alike; "--" ends what is looked at. */
static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

static int flushed(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		ikw_error("stdout: could not be written");
		return status ? status : IKW_EXIT_FAILED;
	}
	return status;
}

int main(int argc, char **argv)
{
	const struct ikw_command *command;

	if (argc < 2) {
		ikw_usage_error(NULL, "no command given");
		return IKW_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		ikw_cli_help();
		return flushed(IKW_EXIT_OK);
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("ikewatch " IKEWATCH_VERSION "\n");
		return flushed(IKW_EXIT_OK);
	}
	command = ikw_cli_find(argv[1]);
	if (!command)
		return ikw_usage_error(NULL, "%s: unknown command", argv[1]);
	if (wants_help(argc - 1, argv + 1)) {
		ikw_cli_command_help(command);
		return flushed(IKW_EXIT_OK);
	}
	if (!command->main) {
		ikw_error("%s: not part of this build", command->name);
		return IKW_EXIT_FAILED;
	}
	return flushed(command->main(argc - 1, argv + 1));
}
