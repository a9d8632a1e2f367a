# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# filters NETNS INTERFACE: the programs on both sides of its tc hook, by tcx links or as a clsact's filters; for the
# kernel's word on what an agent has attached. A missing interface has none.
make -s --no-print-directory O="${O:-build}" "${O:-build}/host/attached" >/dev/null || { echo 'FAIL filters: tests/host/attached does not build'; exit 1; }
filters() {
	ip -n "$1" link show dev "$2" >/dev/null 2>&1 || return 0
	{
		tc -n "$1" filter show dev "$2" ingress
		tc -n "$1" filter show dev "$2" egress
		ip netns exec "$1" "${O:-build}/host/attached" "$2"
	} | grep -o ' id [0-9]*' | sort
}
