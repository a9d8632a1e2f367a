# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# An alarm object as the alarm line.
"IPSEC/4/\(.alarm): OID \(.oid) The IPSec tunnel is deleted. (Ifindex=\(.ifindex), SeqNum=\(.seq_num), TunnelIndex=\(.tunnel_index), RuleNum=\(.rule_num), DstIP=\(.dst_ip), InsideIP=\(.inside_ip), RemotePort=\(.remote_port), CpuID=\(.cpu_id), SrcIP=\(.src_ip), FlowInfo=\(.flow_info), OfflineReason=\(.offline_reason), VsysName=\(.vsys_name), InterfaceName=\(.interface_name), SlotID=\(.slot_id))"
