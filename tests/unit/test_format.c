/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ikw_format() writes what snprintf() writes, into any size, quick path or not. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/format.h"

#define ROOM 600

/* Into every size that matters: result, text, its end, and nothing behind. */
#define SAME(...)                                                                                  \
	do {                                                                                       \
		char want[ROOM], got[ROOM], *text;                                                 \
		int n = snprintf(want, sizeof(want), __VA_ARGS__);                                 \
		for (size_t size = 0; size <= (size_t)n + 2; size++) {                             \
			snprintf(want, size, __VA_ARGS__);                                         \
			memset(got, '#', sizeof(got));                                             \
			assert_int_equal(ikw_format(got, size, __VA_ARGS__), n);                   \
			if (size)                                                                  \
				assert_string_equal(got, want);                                    \
			assert_int_equal(got[size], '#');                                          \
		}                                                                                  \
		text = ikw_format_new(__VA_ARGS__);                                                \
		assert_non_null(text);                                                             \
		assert_string_equal(text, want);                                                   \
		free(text);                                                                        \
	} while (0)

static void test_quick(void **state)
{
	static const unsigned int numbers[] = { 0, 1, 9, 10, 15, 16, 99, 4500, INT_MAX, UINT_MAX };

	(void)state;
	SAME("nothing but words");
	SAME("%s", "");
	SAME("%s %s%s.", "one", "", "three");
	SAME("[%.3s] [%.3s] [%.0s] [%.16s]", "abcdef", "ab", "gone", "charon");
	SAME("100%% of %s%%", "it");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		SAME("%u", numbers[i]);
		SAME("src=%s/%u 0x%x", "198.51.100.1", numbers[i], numbers[i]);
		SAME("0x%08x|%04x|%09x", numbers[i], numbers[i], numbers[i]);
	}
}

static void test_unterminated(void **state)
{
	const char comm[4] = { 'i', 'k', 'e', 'd' };

	(void)state;
	SAME("%.4s", comm);
}

static void test_left_to_the_library(void **state)
{
	(void)state;
	SAME("%s after %.1f s", "x", 2.25);
	SAME("%d and %u", -7, 8U);
	SAME("%5u|%-8s|%02u|%.2u", 7U, "left", 3U, 4U);
	SAME("%s %lu %llx %c", "wide", 1UL << 40, 1ULL << 60, 'c');
	SAME("%12s|%010x", "right", 0xabcU);
}

static void test_long(void **state)
{
	char words[400];

	(void)state;
	memset(words, 'w', sizeof(words) - 1);
	words[sizeof(words) - 1] = 0;
	SAME("%s, %u", words, 12U);
	SAME("%s, %.2f", words, 12.5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quick),
		cmocka_unit_test(test_unterminated),
		cmocka_unit_test(test_left_to_the_library),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
