// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "scrub.h"
#include <ctype.h>
#include <string.h>
#include "host.h"

#define KEY_DIGITS 32 /* of 16 bytes */

void ikw_scrub_control(struct ikw_control *control)
{
	uint8_t kept[IKW_REQUEST_LEN] = { 0 };

	if (control->op != IKW_CONTROL_REQUEST)
		return;
	control->request_len = (uint16_t)ikw_host_request_tells(control, kept);
	memcpy(control->request, kept, sizeof(kept));
}

static void hide(char *word, size_t len)
{
	memset(word, '*', len);
}

/* 0x and so many digits, anywhere in the word. */
static void hide_numbers(char *word, size_t len)
{
	for (size_t at = 0; at + 2 < len; at++) {
		size_t n = 0;

		if (word[at] != '0' || tolower((unsigned char)word[at + 1]) != 'x')
			continue;
		while (at + 2 + n < len && isxdigit((unsigned char)word[at + 2 + n]))
			n++;
		if (n >= KEY_DIGITS)
			hide(word + at + 2, n);
	}
}

static bool names_algorithm_next(const char *word, size_t len)
{
	static const char *const kinds[] = { "enc", "auth", "auth-trunc", "aead" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strlen(kinds[i]) == len && !memcmp(word, kinds[i], len))
			return true;
	return false;
}

void ikw_scrub_proc(struct ikw_proc *proc)
{
	size_t size = proc->args_len < IKW_ARGS_LEN ? proc->args_len : IKW_ARGS_LEN;
	size_t to_key = 0; /* so many words on */

	for (size_t at = 0; at < size;) {
		char *word = proc->args + at;
		size_t len = strnlen(word, size - at);

		if (to_key && !--to_key)
			hide(word, len);
		else
			hide_numbers(word, len);
		if (names_algorithm_next(word, len))
			to_key = 2;
		at += len + 1;
	}
}
