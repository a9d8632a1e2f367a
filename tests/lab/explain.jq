# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# An alarm object as the alarm line followed by why.
def clock: sub("^[^T]*T"; "") | sub("Z$"; "");
"IPSEC/\(.severity_level // 4)/\(.alarm): OID \(.oid) The IPSec tunnel is deleted. (Ifindex=\(.ifindex), SeqNum=\(.seq_num), TunnelIndex=\(.tunnel_index), RuleNum=\(.rule_num), DstIP=\(.dst_ip), InsideIP=\(.inside_ip), RemotePort=\(.remote_port), CpuID=\(.cpu_id), SrcIP=\(.src_ip), FlowInfo=\(.flow_info), OfflineReason=\(.offline_reason), VsysName=\(.vsys_name), InterfaceName=\(.interface_name), SlotID=\(.slot_id))",
"  \(.detail)",
"  confidence  \(.confidence) (rule: \(.rule)); told \(.latency_us / 1000 | floor) ms after the deletion",
(.evidence[] | "  \(.time | clock)  \(.text)"),
(if .by then "  deleted by  \(.by.comm) (pid \(.by.pid))" else empty end),
(if .ordered_by then "  ordered by  \(.ordered_by.comm) (pid \(.ordered_by.pid))\(if .ordered_by.command then ": " + .ordered_by.command else "" end)" else empty end),
(.blind_spots[] | "  not seen    \(.)")
