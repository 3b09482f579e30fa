/** Made by scripts/kernel-types.mjs; do not edit. */
export const LINUX_6_18 = `release 6.18
struct sock_common 136
  0 skc_addrpair u64
  0 skc_daddr u32
  32 skc_rcv_saddr u32
  64 skc_hash u32
  64 skc_u16hashes u16[2]
  96 skc_portpair u32
  96 skc_dport u16
  112 skc_num u16
  128 skc_family u16
  144 skc_state u8
  152:4 skc_reuse u8
  156:1 skc_reuseport u8
  157:1 skc_ipv6only u8
  158:1 skc_net_refcnt u8
  160 skc_bound_dev_if i32
  192 skc_bind_node bytes 16
  192 skc_portaddr_node bytes 16
  320 skc_prot ptr
  384 skc_net.net ptr
  448 skc_v6_daddr bytes 16
  576 skc_v6_rcv_saddr bytes 16
  704 skc_cookie.counter i64
  768 skc_flags u64
  768 skc_listener ptr sock
  768 skc_tw_dr ptr
  832 skc_dontcopy_begin i32[0]
  832 skc_node bytes 16
  832 skc_nulls_node bytes 16
  960 skc_tx_queue_mapping u16
  976 skc_rx_queue_mapping u16
  992 skc_incoming_cpu i32
  992 skc_rcv_wnd u32
  992 skc_tw_rcv_nxt u32
  1024 skc_refcnt bytes 4
  1056 skc_dontcopy_end i32[0]
  1056 skc_rxhash u32
  1056 skc_window_clamp u32
  1056 skc_tw_snd_nxt u32
struct sock 784
  0 __sk_common struct sock_common
  1088 __cacheline_group_begin__sock_write_rx u8[0]
  1088 sk_drops.counter i32
  1120 sk_peek_off i32
  1152 sk_error_queue bytes 24
  1344 sk_receive_queue bytes 24
  1536 sk_backlog.rmem_alloc.counter i32
  1568 sk_backlog.len i32
  1600 sk_backlog.head ptr
  1664 sk_backlog.tail ptr
  1728 __cacheline_group_end__sock_write_rx u8[0]
  1728 __cacheline_group_begin__sock_read_rx u8[0]
  1728 sk_rx_dst ptr
  1792 sk_rx_dst_ifindex i32
  1824 sk_rx_dst_cookie u32
  1856 sk_ll_usec u32
  1888 sk_napi_id u32
  1920 sk_busy_poll_budget u16
  1936 sk_prefer_busy_poll u8
  1944 sk_userlocks u8
  1952 sk_rcvbuf i32
  1984 sk_filter ptr
  2048 sk_wq ptr
  2048 sk_wq_raw ptr
  2112 sk_data_ready ptr
  2176 sk_rcvtimeo i64
  2240 sk_rcvlowat i32
  2272 __cacheline_group_end__sock_read_rx u8[0]
  2272 __cacheline_group_begin__sock_read_rxtx u8[0]
  2272 sk_err i32
  2304 sk_socket ptr
  2368 sk_memcg ptr
  2432 sk_policy bytes 16
  2560 __cacheline_group_end__sock_read_rxtx u8[0]
  2560 __cacheline_group_begin__sock_write_rxtx u8[0]
  2560 sk_lock.slock bytes 4
  2592 sk_lock.owned i32
  2624 sk_lock.wq bytes 24
  2816 sk_reserved_mem u32
  2848 sk_forward_alloc i32
  2880 sk_tsflags u32
  2912 __cacheline_group_end__sock_write_rxtx u8[0]
  2912 __cacheline_group_begin__sock_write_tx u8[0]
  2912 sk_write_pending i32
  2944 sk_omem_alloc.counter i32
  2976 sk_err_soft i32
  3008 sk_wmem_queued i32
  3040 sk_wmem_alloc bytes 4
  3072 sk_tsq_flags u64
  3136 sk_send_head ptr
  3136 tcp_rtx_queue bytes 8
  3200 sk_write_queue bytes 24
  3392 sk_dst_pending_confirm u32
  3424 sk_pacing_status u32
  3456 sk_frag bytes 16
  3584 sk_timer bytes 40
  3904 sk_pacing_rate u64
  3968 sk_zckey.counter i32
  4000 sk_tskey.counter i32
  4032 __cacheline_group_end__sock_write_tx u8[0]
  4032 __cacheline_group_begin__sock_read_tx u8[0]
  4032 sk_max_pacing_rate u64
  4096 sk_sndtimeo i64
  4160 sk_priority u32
  4192 sk_mark u32
  4224 sk_uid.val u32
  4256 sk_protocol u16
  4272 sk_type u16
  4288 sk_dst_cache ptr
  4352 sk_route_caps u64
  4416 sk_gso_type u16
  4432 sk_gso_max_segs u16
  4448 sk_gso_max_size u32
  4480 sk_allocation u32
  4512 sk_txhash u32
  4544 sk_sndbuf i32
  4576 sk_pacing_shift u8
  4584 sk_use_task_frag bool
  4592 __cacheline_group_end__sock_read_tx u8[0]
  4592:1 sk_gso_disabled u8
  4593:1 sk_kern_sock u8
  4594:1 sk_no_check_tx u8
  4595:1 sk_no_check_rx u8
  4600 sk_shutdown u8
  4608 sk_lingertime u64
  4672 sk_prot_creator ptr
  4736 sk_callback_lock.raw_lock bytes 8
  4800 sk_ack_backlog u32
  4832 sk_max_ack_backlog u32
  4864 sk_ino u64
  4928 sk_peer_lock bytes 4
  4960 sk_bind_phc i32
  4992 sk_peer_pid ptr
  5056 sk_peer_cred ptr
  5120 sk_stamp i64
  5184 sk_disconnects i32
  5216 sk_txrehash u8
  5216 sk_scm_recv_flags u8
  5216:1 sk_scm_credentials u8
  5217:1 sk_scm_security u8
  5218:1 sk_scm_pidfd u8
  5219:1 sk_scm_rights u8
  5220:4 sk_scm_unused u8
  5224 sk_clockid u8
  5232:1 sk_txtime_deadline_mode u8
  5233:1 sk_txtime_report_errors u8
  5234:6 sk_txtime_unused u8
  5240 sk_bpf_cb_flags u8
  5248 sk_user_data ptr
  5312 sk_security ptr
  5376 sk_cgrp_data bytes 16
  5504 sk_state_change ptr
  5568 sk_write_space ptr
  5632 sk_error_report ptr
  5696 sk_backlog_rcv ptr
  5760 sk_destruct ptr
  5824 sk_reuseport_cb ptr
  5888 sk_bpf_storage ptr
  5952 sk_drop_counters ptr
  6016 sk_rcu bytes 16
  6144 sk_user_frags bytes 16
struct inet_sock 1016
  0 sk struct sock
  6272 pinet6 ptr
  6336 ipv6_fl_list ptr
  6400 inet_flags u64
  6464 inet_saddr u32
  6496 uc_ttl i16
  6512 inet_sport u16
  6528 inet_opt ptr
  6592 inet_id.counter i32
  6624 tos u8
  6632 min_ttl u8
  6640 mc_ttl u8
  6648 pmtudisc u8
  6656 rcv_tos u8
  6664 convert_csum u8
  6688 uc_index i32
  6720 mc_index i32
  6752 mc_addr u32
  6784 local_port_range u32
  6848 mc_list ptr
  6912 cork bytes 152
struct inet_connection_sock 1400
  0 icsk_inet struct inet_sock
  8128 icsk_accept_queue bytes 72
  8704 icsk_bind_hash ptr
  8768 icsk_bind2_hash ptr
  8832 icsk_retransmit_timer bytes 40
  9152 icsk_delack_timer bytes 40
  9472 icsk_rto u32
  9504 icsk_rto_min u32
  9536 icsk_rto_max u32
  9568 icsk_delack_max u32
  9600 icsk_pmtu_cookie u32
  9664 icsk_ca_ops ptr tcp_congestion_ops
  9728 icsk_af_ops ptr
  9792 icsk_ulp_ops ptr
  9856 icsk_ulp_data ptr
  9920 icsk_sync_mss ptr
  9984:5 icsk_ca_state u8
  9989:1 icsk_ca_initialized u8
  9990:1 icsk_ca_setsockopt u8
  9991:1 icsk_ca_dst_locked u8
  9992 icsk_retransmits u8
  10000 icsk_pending u8
  10008 icsk_backoff u8
  10016 icsk_syn_retries u8
  10024 icsk_probes_out u8
  10032 icsk_ext_hdr_len u16
  10048 icsk_ack.pending u8
  10056 icsk_ack.quick u8
  10064 icsk_ack.pingpong u8
  10072 icsk_ack.retry u8
  10080:8 icsk_ack.ato u32
  10088:20 icsk_ack.lrcv_flowlabel u32
  10108:1 icsk_ack.dst_quick_ack u32
  10109:3 icsk_ack.unused u32
  10112 icsk_ack.lrcvtime u32
  10144 icsk_ack.last_seg_size u16
  10160 icsk_ack.rcv_mss u16
  10176 icsk_mtup.search_high i32
  10208 icsk_mtup.search_low i32
  10240:31 icsk_mtup.probe_size u32
  10271:1 icsk_mtup.enabled u32
  10272 icsk_mtup.probe_timestamp u32
  10304 icsk_probes_tstamp u32
  10336 icsk_user_timeout u32
  10368 icsk_ca_priv u64[13]
struct tcp_sock 2304
  0 inet_conn struct inet_connection_sock
  11200 __cacheline_group_begin__tcp_sock_read_tx u8[0]
  11200 max_window u32
  11232 rcv_ssthresh u32
  11264 reordering u32
  11296 notsent_lowat u32
  11328 gso_segs u16
  11392 retransmit_skb_hint ptr
  11456 __cacheline_group_end__tcp_sock_read_tx u8[0]
  11456 __cacheline_group_begin__tcp_sock_read_txrx u8[0]
  11456 tsoffset u32
  11488 snd_wnd u32
  11520 mss_cache u32
  11552 snd_cwnd u32
  11584 prr_out u32
  11616 lost_out u32
  11648 sacked_out u32
  11680 tcp_header_len u16
  11696 scaling_ratio u8
  11704:1 repair u8
  11705:1 tcp_usec_ts u8
  11706:1 is_sack_reneg u8
  11707:1 is_cwnd_limited u8
  11708:1 recvmsg_inq u8
  11712 __cacheline_group_end__tcp_sock_read_txrx u8[0]
  11712 __cacheline_group_begin__tcp_sock_read_rx u8[0]
  11712 copied_seq u32
  11744 snd_wl1 u32
  11776 tlp_high_seq u32
  11808 rttvar_us u32
  11840 retrans_out u32
  11872 advmss u16
  11888 urg_data u16
  11904 lost u32
  11936 snd_ssthresh u32
  11968 rtt_min bytes 24
  12160 out_of_order_queue bytes 8
  12224 __cacheline_group_end__tcp_sock_read_rx u8[0]
  12288 __cacheline_group_begin__tcp_sock_write_tx u8[0]
  12288 segs_out u32
  12320 data_segs_out u32
  12352 bytes_sent u64
  12416 snd_sml u32
  12448 chrono_type u8
  12480 chrono_start u32
  12512 chrono_stat u32[3]
  12608 write_seq u32
  12640 pushed_seq u32
  12672 lsndtime u32
  12704 mdev_us u32
  12736 rtt_seq u32
  12800 tcp_wstamp_ns u64
  12864 accecn_opt_tstamp u64
  12928 tsorted_sent_queue bytes 16
  13056 highest_sack ptr
  13120 ecn_flags u8
  13128 __cacheline_group_end__tcp_sock_write_tx u8[0]
  13128 __cacheline_group_begin__tcp_sock_write_txrx u8[0]
  13128:4 nonagle u8
  13132:1 rate_app_limited u8
  13136:4 received_ce_pending u8
  13140:4 unused2 u8
  13144:2 accecn_minlen u8
  13146:2 est_ecnfield u8
  13148:2 accecn_opt_demand u8
  13150:2 prev_ecnfield u8
  13152 pred_flags u32
  13184 tcp_clock_cache u64
  13248 tcp_mstamp u64
  13312 rcv_nxt u32
  13344 snd_nxt u32
  13376 snd_una u32
  13408 window_clamp u32
  13440 srtt_us u32
  13472 packets_out u32
  13504 snd_up u32
  13536 delivered u32
  13568 delivered_ce u32
  13600 received_ce u32
  13632 received_ecn_bytes u32[3]
  13728 app_limited u32
  13760 rcv_wnd u32
  13792 rcv_tstamp u32
  13824 rx_opt bytes 24
  14016 __cacheline_group_end__tcp_sock_write_txrx u8[0]
  14016 __cacheline_group_begin__tcp_sock_write_rx u8[0]
  14016 bytes_received u64
  14080 segs_in u32
  14112 data_segs_in u32
  14144 rcv_wup u32
  14176 max_packets_out u32
  14208 cwnd_usage_seq u32
  14240 rate_delivered u32
  14272 rate_interval_us u32
  14304 rcv_rtt_last_tsecr u32
  14336 delivered_ecn_bytes u32[3]
  14464 first_tx_mstamp u64
  14528 delivered_mstamp u64
  14592 bytes_acked u64
  14656 rcv_rtt_est.rtt_us u32
  14688 rcv_rtt_est.seq u32
  14720 rcv_rtt_est.time u64
  14784 rcvq_space.space i32
  14816 rcvq_space.seq u32
  14848 rcvq_space.time u64
  14912 __cacheline_group_end__tcp_sock_write_rx u8[0]
  14912 dsack_dups u32
  14944 compressed_ack_rcv_nxt u32
  14976 tsq_node bytes 16
  15104 rack bytes 24
  15296 compressed_ack u8
  15304:2 dup_ack_counter u8
  15306:1 tlp_retrans u8
  15307:2 syn_ect_snt u8
  15309:2 syn_ect_rcv u8
  15311:1 thin_lto u8
  15312:1 fastopen_connect u8
  15313:1 fastopen_no_cookie u8
  15314:2 fastopen_client_fail u8
  15316:1 frto u8
  15320 repair_queue u8
  15328:2 save_syn u8
  15330:1 syn_data u8
  15331:1 syn_fastopen u8
  15332:1 syn_fastopen_exp u8
  15333:1 syn_fastopen_ch u8
  15334:1 syn_data_acked u8
  15335:1 syn_fastopen_child u8
  15336 keepalive_probes u8
  15344:4 accecn_fail_mode u8
  15348:2 saw_accecn_opt u8
  15360 tcp_tx_delay u32
  15392 mdev_max_us u32
  15424 reord_seen u32
  15456 snd_cwnd_cnt u32
  15488 snd_cwnd_clamp u32
  15520 snd_cwnd_used u32
  15552 snd_cwnd_stamp u32
  15584 prior_cwnd u32
  15616 prr_delivered u32
  15648 last_oow_ack_time u32
  15680 pacing_timer bytes 64
  16192 compressed_ack_timer bytes 64
  16704 ooo_last_skb ptr
  16768 duplicate_sack bytes 8
  16832 selective_acks bytes 32
  17088 recv_sack_cache bytes 32
  17344 prior_ssthresh u32
  17376 high_seq u32
  17408 retrans_stamp u32
  17440 undo_marker u32
  17472 undo_retrans i32
  17504 mtu_info u32
  17536 bytes_retrans u64
  17600 total_retrans u32
  17632 rto_stamp u32
  17664 total_rto u16
  17680 total_rto_recoveries u16
  17696 total_rto_time u32
  17728 urg_seq u32
  17760 keepalive_time u32
  17792 keepalive_intvl u32
  17824 linger2 i32
  17856 bpf_sock_ops_cb_flags u8
  17864:1 bpf_chg_cc_inprogress u8
  17872 timeout_rehash u16
  17888 rcv_ooopack u32
  17920 mtu_probe.probe_seq_start u32
  17952 mtu_probe.probe_seq_end u32
  17984 plb_rehash u32
  18016 is_mptcp bool
  18048 af_specific ptr
  18112 md5sig_info ptr
  18176 fastopen_req ptr
  18240 fastopen_rsk ptr
  18304 saved_syn ptr
struct ack_sample 12
  0 pkts_acked u32
  32 rtt_us i32
  64 in_flight u32
struct rate_sample 72
  0 prior_mstamp u64
  64 prior_delivered u32
  96 prior_delivered_ce u32
  128 delivered i32
  160 delivered_ce i32
  192 interval_us i64
  256 snd_interval_us u32
  288 rcv_interval_us u32
  320 rtt_us i64
  384 losses i32
  416 acked_sacked u32
  448 prior_in_flight u32
  480 last_end_seq u32
  512 is_app_limited bool
  520 is_retrans bool
  528 is_ack_delayed bool
struct tcp_congestion_ops 192
  0 ssthresh ptr
  64 cong_avoid ptr
  128 set_state ptr
  192 cwnd_event ptr
  256 in_ack_event ptr
  320 pkts_acked ptr
  384 min_tso_segs ptr
  448 cong_control ptr
  512 undo_cwnd ptr
  576 sndbuf_expand ptr
  640 get_info ptr
  704 name u8[16]
  832 owner ptr
  896 list bytes 16
  1024 key u32
  1056 flags u32
  1088 init ptr
  1152 release ptr`;
