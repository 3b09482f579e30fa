/** Made by scripts/kernel-types.mjs; do not edit. */
export const LINUX_6_12 = `release 6.12
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
  832 skc_node bytes 16
  832 skc_nulls_node bytes 16
  960 skc_tx_queue_mapping u16
  976 skc_rx_queue_mapping u16
  992 skc_incoming_cpu i32
  992 skc_rcv_wnd u32
  992 skc_tw_rcv_nxt u32
  1024 skc_refcnt bytes 4
  1056 skc_rxhash u32
  1056 skc_window_clamp u32
  1056 skc_tw_snd_nxt u32
struct sock 736
  0 __sk_common struct sock_common
  1088 sk_drops.counter i32
  1120 sk_peek_off i32
  1152 sk_error_queue bytes 24
  1344 sk_receive_queue bytes 24
  1536 sk_backlog.rmem_alloc.counter i32
  1568 sk_backlog.len i32
  1600 sk_backlog.head ptr
  1664 sk_backlog.tail ptr
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
  2272 sk_err i32
  2304 sk_socket ptr
  2368 sk_memcg ptr
  2432 sk_lock.slock bytes 4
  2464 sk_lock.owned i32
  2496 sk_lock.wq bytes 24
  2688 sk_reserved_mem u32
  2720 sk_forward_alloc i32
  2752 sk_tsflags u32
  2784 sk_write_pending i32
  2816 sk_omem_alloc.counter i32
  2848 sk_sndbuf i32
  2880 sk_wmem_queued i32
  2912 sk_wmem_alloc bytes 4
  2944 sk_tsq_flags u64
  3008 sk_send_head ptr
  3008 tcp_rtx_queue bytes 8
  3072 sk_write_queue bytes 24
  3264 sk_dst_pending_confirm u32
  3296 sk_pacing_status u32
  3328 sk_frag bytes 16
  3456 sk_timer bytes 40
  3456 mptcp_retransmit_timer bytes 40
  3776 sk_pacing_rate u64
  3840 sk_zckey.counter i32
  3872 sk_tskey.counter i32
  3904 sk_max_pacing_rate u64
  3968 sk_sndtimeo i64
  4032 sk_priority u32
  4064 sk_mark u32
  4096 sk_dst_cache ptr
  4160 sk_route_caps u64
  4224 sk_gso_type u16
  4240 sk_gso_max_segs u16
  4256 sk_gso_max_size u32
  4288 sk_allocation u32
  4320 sk_txhash u32
  4352 sk_pacing_shift u8
  4360 sk_use_task_frag bool
  4368:1 sk_gso_disabled u8
  4369:1 sk_kern_sock u8
  4370:1 sk_no_check_tx u8
  4371:1 sk_no_check_rx u8
  4376 sk_shutdown u8
  4384 sk_type u16
  4400 sk_protocol u16
  4416 sk_lingertime u64
  4480 sk_prot_creator ptr
  4544 sk_callback_lock.raw_lock bytes 8
  4608 sk_err_soft i32
  4640 sk_ack_backlog u32
  4672 sk_max_ack_backlog u32
  4704 sk_uid.val u32
  4736 sk_peer_lock bytes 4
  4768 sk_bind_phc i32
  4800 sk_peer_pid ptr
  4864 sk_peer_cred ptr
  4928 sk_stamp i64
  4992 sk_disconnects i32
  5024 sk_txrehash u8
  5032 sk_clockid u8
  5040:1 sk_txtime_deadline_mode u8
  5041:1 sk_txtime_report_errors u8
  5042:6 sk_txtime_unused u8
  5056 sk_user_data ptr
  5120 sk_cgrp_data bytes 8
  5184 sk_state_change ptr
  5248 sk_write_space ptr
  5312 sk_error_report ptr
  5376 sk_backlog_rcv ptr
  5440 sk_destruct ptr
  5504 sk_reuseport_cb ptr
  5568 sk_bpf_storage ptr
  5632 sk_rcu bytes 16
  5760 sk_user_frags bytes 16
struct inet_sock 960
  0 sk struct sock
  5888 pinet6 ptr
  5952 ipv6_fl_list ptr
  6016 inet_flags u64
  6080 inet_saddr u32
  6112 uc_ttl i16
  6128 inet_sport u16
  6144 inet_opt ptr
  6208 inet_id.counter i32
  6240 tos u8
  6248 min_ttl u8
  6256 mc_ttl u8
  6264 pmtudisc u8
  6272 rcv_tos u8
  6280 convert_csum u8
  6304 uc_index i32
  6336 mc_index i32
  6368 mc_addr u32
  6400 local_port_range u32
  6464 mc_list ptr
  6528 cork bytes 144
struct inet_connection_sock 1416
  0 icsk_inet struct inet_sock
  7680 icsk_accept_queue bytes 80
  8320 icsk_bind_hash ptr
  8384 icsk_bind2_hash ptr
  8448 icsk_timeout u64
  8512 icsk_retransmit_timer bytes 40
  8832 icsk_delack_timer bytes 40
  9152 icsk_keepalive_timer bytes 40
  9152 mptcp_tout_timer bytes 40
  9472 icsk_rto u32
  9504 icsk_rto_min u32
  9536 icsk_delack_max u32
  9568 icsk_delack_min u32
  9600 icsk_delack_segs u32
  9632 icsk_pmtu_cookie u32
  9664 icsk_ca_ops ptr tcp_congestion_ops
  9728 icsk_af_ops ptr
  9792 icsk_ulp_ops ptr
  9856 icsk_ulp_data ptr
  9920 icsk_clean_acked ptr
  9984 icsk_sync_mss ptr
  10048:5 icsk_ca_state u8
  10053:1 icsk_ca_initialized u8
  10054:1 icsk_ca_setsockopt u8
  10055:1 icsk_ca_dst_locked u8
  10056 icsk_retransmits u8
  10064 icsk_pending u8
  10072 icsk_backoff u8
  10080 icsk_syn_retries u8
  10088 icsk_probes_out u8
  10096 icsk_ext_hdr_len u16
  10112 icsk_ack.pending u8
  10120 icsk_ack.quick u8
  10128 icsk_ack.pingpong u8
  10136 icsk_ack.retry u8
  10144:8 icsk_ack.ato u32
  10152:20 icsk_ack.lrcv_flowlabel u32
  10172:1 icsk_ack.dst_quick_ack u32
  10173:3 icsk_ack.unused u32
  10176 icsk_ack.timeout u64
  10240 icsk_ack.lrcvtime u32
  10272 icsk_ack.last_seg_size u16
  10288 icsk_ack.rcv_mss u16
  10304 icsk_mtup.search_high i32
  10336 icsk_mtup.search_low i32
  10368:31 icsk_mtup.probe_size u32
  10399:1 icsk_mtup.enabled u32
  10400 icsk_mtup.probe_timestamp u32
  10432 icsk_probes_tstamp u32
  10464 icsk_user_timeout u32
  10496 icsk_ca_priv u64[13]
struct tcp_sock 2368
  0 inet_conn struct inet_connection_sock
  11328 max_window u32
  11360 rcv_ssthresh u32
  11392 reordering u32
  11424 notsent_lowat u32
  11456 gso_segs u16
  11520 lost_skb_hint ptr
  11584 retransmit_skb_hint ptr
  11648 tsoffset u32
  11680 snd_wnd u32
  11712 mss_cache u32
  11744 snd_cwnd u32
  11776 prr_out u32
  11808 lost_out u32
  11840 sacked_out u32
  11872 tcp_header_len u16
  11888 scaling_ratio u8
  11896:2 chrono_type u8
  11898:1 repair u8
  11899:1 tcp_usec_ts u8
  11900:1 is_sack_reneg u8
  11901:1 is_cwnd_limited u8
  11904 copied_seq u32
  11936 rcv_tstamp u32
  11968 snd_wl1 u32
  12000 tlp_high_seq u32
  12032 rttvar_us u32
  12064 retrans_out u32
  12096 advmss u16
  12112 urg_data u16
  12128 lost u32
  12160 rtt_min bytes 24
  12352 out_of_order_queue bytes 8
  12416 snd_ssthresh u32
  12448:1 recvmsg_inq u8
  12800 segs_out u32
  12832 data_segs_out u32
  12864 bytes_sent u64
  12928 snd_sml u32
  12960 chrono_start u32
  12992 chrono_stat u32[3]
  13088 write_seq u32
  13120 pushed_seq u32
  13152 lsndtime u32
  13184 mdev_us u32
  13216 rtt_seq u32
  13248 tcp_wstamp_ns u64
  13312 tsorted_sent_queue bytes 16
  13440 highest_sack ptr
  13504 ecn_flags u8
  13512:4 nonagle u8
  13516:1 rate_app_limited u8
  13536 pred_flags u32
  13568 tcp_clock_cache u64
  13632 tcp_mstamp u64
  13696 rcv_nxt u32
  13728 snd_nxt u32
  13760 snd_una u32
  13792 window_clamp u32
  13824 srtt_us u32
  13856 packets_out u32
  13888 snd_up u32
  13920 delivered u32
  13952 delivered_ce u32
  13984 app_limited u32
  14016 rcv_wnd u32
  14048 rx_opt bytes 24
  14272 bytes_received u64
  14336 segs_in u32
  14368 data_segs_in u32
  14400 rcv_wup u32
  14432 max_packets_out u32
  14464 cwnd_usage_seq u32
  14496 rate_delivered u32
  14528 rate_interval_us u32
  14560 rcv_rtt_last_tsecr u32
  14592 first_tx_mstamp u64
  14656 delivered_mstamp u64
  14720 bytes_acked u64
  14784 rcv_rtt_est.rtt_us u32
  14816 rcv_rtt_est.seq u32
  14848 rcv_rtt_est.time u64
  14912 rcvq_space.space i32
  14944 rcvq_space.seq u32
  14976 rcvq_space.time u64
  15040 dsack_dups u32
  15072 compressed_ack_rcv_nxt u32
  15104 tsq_node bytes 16
  15232 rack bytes 24
  15424 compressed_ack u8
  15432:2 dup_ack_counter u8
  15434:1 tlp_retrans u8
  15435:5 unused u8
  15440:1 thin_lto u8
  15441:1 fastopen_connect u8
  15442:1 fastopen_no_cookie u8
  15443:2 fastopen_client_fail u8
  15445:1 frto u8
  15448 repair_queue u8
  15456:2 save_syn u8
  15458:1 syn_data u8
  15459:1 syn_fastopen u8
  15460:1 syn_fastopen_exp u8
  15461:1 syn_fastopen_ch u8
  15462:1 syn_data_acked u8
  15464 keepalive_probes u8
  15488 tcp_tx_delay u32
  15520 mdev_max_us u32
  15552 reord_seen u32
  15584 snd_cwnd_cnt u32
  15616 snd_cwnd_clamp u32
  15648 snd_cwnd_used u32
  15680 snd_cwnd_stamp u32
  15712 prior_cwnd u32
  15744 prr_delivered u32
  15776 last_oow_ack_time u32
  15808 pacing_timer bytes 64
  16320 compressed_ack_timer bytes 64
  16832 ooo_last_skb ptr
  16896 duplicate_sack bytes 8
  16960 selective_acks bytes 32
  17216 recv_sack_cache bytes 32
  17472 lost_cnt_hint i32
  17504 prior_ssthresh u32
  17536 high_seq u32
  17568 retrans_stamp u32
  17600 undo_marker u32
  17632 undo_retrans i32
  17664 bytes_retrans u64
  17728 total_retrans u32
  17760 rto_stamp u32
  17792 total_rto u16
  17808 total_rto_recoveries u16
  17824 total_rto_time u32
  17856 urg_seq u32
  17888 keepalive_time u32
  17920 keepalive_intvl u32
  17952 linger2 i32
  17984 bpf_sock_ops_cb_flags u8
  17992:1 bpf_chg_cc_inprogress u8
  18000 timeout_rehash u16
  18016 rcv_ooopack u32
  18048 mtu_probe.probe_seq_start u32
  18080 mtu_probe.probe_seq_end u32
  18112 plb_rehash u32
  18144 mtu_info u32
  18176 is_mptcp bool
  18240 af_specific ptr
  18304 md5sig_info ptr
  18368 ao_info ptr
  18432 fastopen_req ptr
  18496 fastopen_rsk ptr
  18560 saved_syn ptr
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
  1152 release ptr
struct mptcp_sock 2128
  0 sk struct inet_connection_sock
  11328 local_key u64
  11392 remote_key u64
  11456 write_seq u64
  11520 bytes_sent u64
  11584 snd_nxt u64
  11648 bytes_received u64
  11712 ack_seq u64
  11776 rcv_wnd_sent.counter i64
  11840 rcv_data_fin_seq u64
  11904 bytes_retrans u64
  11968 bytes_consumed u64
  12032 rmem_fwd_alloc i32
  12064 snd_burst i32
  12096 old_wspace i32
  12160 recovery_snd_nxt u64
  12224 bytes_acked u64
  12288 snd_una u64
  12352 wnd_end u64
  12416 last_data_sent u32
  12448 last_data_recv u32
  12480 last_ack_recv u32
  12544 timer_ival u64
  12608 token u32
  12640 rmem_released i32
  12672 flags u64
  12736 cb_flags u64
  12800 recovery bool
  12808 can_ack bool
  12816 fully_established bool
  12824 rcv_data_fin bool
  12832 snd_data_fin_enable bool
  12840 rcv_fastclose bool
  12848 use_64bit_ack bool
  12856 csum_enabled bool
  12864 allow_infinite_fallback bool
  12872 pending_state u8
  12880 mpc_endpoint_id u8
  12888:1 recvmsg_inq u8
  12889:1 cork u8
  12890:1 nodelay u8
  12891:1 fastopening u8
  12892:1 in_accept_queue u8
  12893:1 free_first u8
  12894:1 rcvspace_init u8
  12895:1 fastclosing u8
  12896 notsent_lowat u32
  12928 keepalive_cnt i32
  12960 keepalive_idle i32
  12992 keepalive_intvl i32
  13056 work bytes 32
  13312 ooo_last_skb ptr
  13376 out_of_order_queue bytes 8
  13440 receive_queue bytes 24
  13632 conn_list bytes 16
  13760 rtx_queue bytes 16
  13888 first_pending ptr
  13952 join_list bytes 16
  14080 first ptr sock
  14144 pm bytes 296
  16512 sched ptr mptcp_sched_ops
  16576 rcvq_space.space u32
  16608 rcvq_space.copied u32
  16640 rcvq_space.time u64
  16704 rcvq_space.rtt_us u64
  16768 scaling_ratio u8
  16776 allow_subflows bool
  16800 subflow_id u32
  16832 setsockopt_seq u32
  16864 ca_name u8[16]
  16992 fallback_lock bytes 4
struct mptcp_subflow_context 288
  0 node bytes 16
  128 avg_pacing_rate u64
  192 local_key u64
  256 remote_key u64
  320 idsn u64
  384 map_seq u64
  448 rcv_wnd_sent u64
  512 copy_seq u64
  576 copy_end u64
  640 snd_isn u32
  672 token u32
  704 rel_write_seq u32
  736 map_subflow_seq u32
  768 ssn_offset u32
  800 map_data_len u32
  832 map_data_csum u32
  864 map_csum_len u32
  896:1 request_mptcp u32
  897:1 request_join u32
  898:1 request_bkup u32
  899:1 mp_capable u32
  900:1 mp_join u32
  901:1 pm_notified u32
  902:1 conn_finished u32
  903:1 map_valid u32
  904:1 map_csum_reqd u32
  905:1 map_data_fin u32
  906:1 mpc_map u32
  907:1 backup u32
  908:1 send_mp_prio u32
  909:1 send_mp_fail u32
  910:1 send_fastclose u32
  911:1 send_infinite_map u32
  912:1 remote_key_valid u32
  913:1 disposable u32
  914:1 closing u32
  915:1 stale u32
  916:1 valid_csum_seen u32
  917:1 is_mptfo u32
  918:1 close_event_done u32
  919:1 mpc_drop u32
  920:1 resetting u32
  921:7 __unused u32
  928 data_avail bool
  936 scheduled bool
  944 pm_listener bool
  952 fully_established bool
  960 remote_nonce u32
  1024 thmac u64
  1088 local_nonce u32
  1120 remote_token u32
  1152 hmac u8[20]
  1152 iasn u64
  1344 local_id i16
  1360 remote_id u8
  1368:1 reset_seen u8
  1369:1 reset_transient u8
  1370:4 reset_reason u8
  1376 stale_count u8
  1384 bpf_state u8
  1392 bpf_told bool
  1400 bpf_opened bool
  1408 subflow_id u32
  1472 delegated_status i64
  1536 fail_tout u64
  128 reset.avg_pacing_rate u64
  192 reset.local_key u64
  256 reset.remote_key u64
  320 reset.idsn u64
  384 reset.map_seq u64
  448 reset.rcv_wnd_sent u64
  512 reset.copy_seq u64
  576 reset.copy_end u64
  640 reset.snd_isn u32
  672 reset.token u32
  704 reset.rel_write_seq u32
  736 reset.map_subflow_seq u32
  768 reset.ssn_offset u32
  800 reset.map_data_len u32
  832 reset.map_data_csum u32
  864 reset.map_csum_len u32
  896:1 reset.request_mptcp u32
  897:1 reset.request_join u32
  898:1 reset.request_bkup u32
  899:1 reset.mp_capable u32
  900:1 reset.mp_join u32
  901:1 reset.pm_notified u32
  902:1 reset.conn_finished u32
  903:1 reset.map_valid u32
  904:1 reset.map_csum_reqd u32
  905:1 reset.map_data_fin u32
  906:1 reset.mpc_map u32
  907:1 reset.backup u32
  908:1 reset.send_mp_prio u32
  909:1 reset.send_mp_fail u32
  910:1 reset.send_fastclose u32
  911:1 reset.send_infinite_map u32
  912:1 reset.remote_key_valid u32
  913:1 reset.disposable u32
  914:1 reset.closing u32
  915:1 reset.stale u32
  916:1 reset.valid_csum_seen u32
  917:1 reset.is_mptfo u32
  918:1 reset.close_event_done u32
  919:1 reset.mpc_drop u32
  920:1 reset.resetting u32
  921:7 reset.__unused u32
  928 reset.data_avail bool
  936 reset.scheduled bool
  944 reset.pm_listener bool
  952 reset.fully_established bool
  960 reset.remote_nonce u32
  1024 reset.thmac u64
  1088 reset.local_nonce u32
  1120 reset.remote_token u32
  1152 reset.hmac u8[20]
  1152 reset.iasn u64
  1344 reset.local_id i16
  1360 reset.remote_id u8
  1368:1 reset.reset_seen u8
  1369:1 reset.reset_transient u8
  1370:4 reset.reset_reason u8
  1376 reset.stale_count u8
  1384 reset.bpf_state u8
  1392 reset.bpf_told bool
  1400 reset.bpf_opened bool
  1408 reset.subflow_id u32
  1472 reset.delegated_status i64
  1536 reset.fail_tout u64
  1600 delegated_node bytes 16
  1728 setsockopt_seq u32
  1760 stale_rcv_tstamp u32
  1792 cached_sndbuf i32
  1856 tcp_sock ptr sock
  1920 conn ptr sock
  1984 icsk_af_ops ptr
  2048 tcp_state_change ptr
  2112 tcp_error_report ptr
  2176 rcu bytes 16
struct mptcp_sched_ops 128
  0 get_send ptr
  64 get_retrans ptr
  128 name u8[16]
  256 owner ptr
  320 list bytes 16
  448 init ptr
  512 release ptr`;
