/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `ikewatch reasons` */
#include <getopt.h>
#include <stdbool.h>
#include "catalogue_out.h"
#include "check.h"
#include "cli.h"

static int print_json(const uint32_t *sees)
{
	json_t *all = ikw_catalogue_json(sees);
	if (!all) {
		ikw_error("reasons: out of memory");
		return IKW_EXIT_FAILED;
	}
	int status = json_dumpf(all, stdout, JSON_INDENT(2)) == 0 ? IKW_EXIT_OK : IKW_EXIT_FAILED;
	json_decref(all);
	putchar('\n');
	return status;
}

int ikw_reasons_main(int argc, char **argv)
{
	const struct ikw_command *command = ikw_cli_find("reasons");
	bool json = false, determined;
	const char *value;
	uint32_t sees;
	int key;

	while ((key = ikw_cli_next(command, argc, argv, &value)) != -1) {
		if (key != 'j')
			return IKW_EXIT_USAGE;
		json = true;
	}
	if (optind < argc)
		return ikw_usage_error("reasons", "%s: unexpected operand", argv[optind]);
	determined = ikw_check_sees(&sees);
	if (json)
		return print_json(determined ? &sees : NULL);
	ikw_catalogue_print(stdout, determined ? &sees : NULL);
	return IKW_EXIT_OK;
}
