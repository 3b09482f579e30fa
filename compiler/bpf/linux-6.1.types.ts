/** Made by scripts/kernel-types.mjs; do not edit. */
export const LINUX_6_1 = `release 6.1
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
struct sock 776
  0 __sk_common struct sock_common
  1088 sk_rx_dst ptr
  1152 sk_rx_dst_ifindex i32
  1184 sk_rx_dst_cookie u32
  1216 sk_lock.slock bytes 4
  1248 sk_lock.owned i32
  1280 sk_lock.wq bytes 24
  1472 sk_drops.counter i32
  1504 sk_rcvlowat i32
  1536 sk_error_queue bytes 24
  1728 sk_receive_queue bytes 24
  1920 sk_backlog.rmem_alloc.counter i32
  1952 sk_backlog.len i32
  1984 sk_backlog.head ptr
  2048 sk_backlog.tail ptr
  2112 sk_forward_alloc i32
  2144 sk_reserved_mem u32
  2176 sk_ll_usec u32
  2208 sk_napi_id u32
  2240 sk_rcvbuf i32
  2272 sk_disconnects i32
  2304 sk_filter ptr
  2368 sk_wq ptr
  2368 sk_wq_raw ptr
  2432 sk_policy bytes 16
  2560 sk_dst_cache ptr
  2624 sk_omem_alloc.counter i32
  2656 sk_sndbuf i32
  2688 sk_wmem_queued i32
  2720 sk_wmem_alloc bytes 4
  2752 sk_tsq_flags u64
  2816 sk_send_head ptr
  2816 tcp_rtx_queue bytes 8
  2880 sk_write_queue bytes 24
  3072 sk_peek_off i32
  3104 sk_write_pending i32
  3136 sk_dst_pending_confirm u32
  3168 sk_pacing_status u32
  3200 sk_sndtimeo i64
  3264 sk_timer bytes 40
  3584 sk_priority u32
  3616 sk_mark u32
  3648 sk_pacing_rate u64
  3712 sk_max_pacing_rate u64
  3776 sk_frag bytes 16
  3904 sk_route_caps u64
  3968 sk_gso_type i32
  4000 sk_gso_max_size u32
  4032 sk_allocation u32
  4064 sk_txhash u32
  4096:1 sk_gso_disabled u8
  4097:1 sk_kern_sock u8
  4098:1 sk_no_check_tx u8
  4099:1 sk_no_check_rx u8
  4100:4 sk_userlocks u8
  4104 sk_pacing_shift u8
  4112 sk_type u16
  4128 sk_protocol u16
  4144 sk_gso_max_segs u16
  4160 sk_lingertime u64
  4224 sk_prot_creator ptr
  4288 sk_callback_lock.raw_lock bytes 8
  4352 sk_err i32
  4384 sk_err_soft i32
  4416 sk_ack_backlog u32
  4448 sk_max_ack_backlog u32
  4480 sk_uid.val u32
  4512 sk_txrehash u8
  4520 sk_prefer_busy_poll u8
  4528 sk_busy_poll_budget u16
  4544 sk_peer_lock bytes 4
  4576 sk_bind_phc i32
  4608 sk_peer_pid ptr
  4672 sk_peer_cred ptr
  4736 sk_rcvtimeo i64
  4800 sk_stamp i64
  4864 sk_tsflags u16
  4880 sk_shutdown u8
  4896 sk_tskey.counter i32
  4928 sk_zckey.counter i32
  4960 sk_clockid u8
  4968:1 sk_txtime_deadline_mode u8
  4969:1 sk_txtime_report_errors u8
  4970:6 sk_txtime_unused u8
  4992 sk_socket ptr
  5056 sk_user_data ptr
  5120 sk_security ptr
  5184 sk_cgrp_data bytes 16
  5312 sk_memcg ptr
  5376 sk_state_change ptr
  5440 sk_data_ready ptr
  5504 sk_write_space ptr
  5568 sk_error_report ptr
  5632 sk_backlog_rcv ptr
  5696 sk_validate_xmit_skb ptr
  5760 sk_destruct ptr
  5824 sk_reuseport_cb ptr
  5888 sk_bpf_storage ptr
  5952 sk_rcu bytes 16
  6080 sk_bind2_node bytes 16
struct inet_sock 992
  0 sk struct sock
  6208 pinet6 ptr
  6272 inet_saddr u32
  6304 uc_ttl i16
  6320 cmsg_flags u16
  6336 inet_opt ptr
  6400 inet_id.counter i32
  6432 inet_sport u16
  6448 tos u8
  6456 min_ttl u8
  6464 mc_ttl u8
  6472 pmtudisc u8
  6480:1 recverr u8
  6481:1 is_icsk u8
  6482:1 freebind u8
  6483:1 hdrincl u8
  6484:1 mc_loop u8
  6485:1 transparent u8
  6486:1 mc_all u8
  6487:1 nodefrag u8
  6488:1 bind_address_no_port u8
  6489:1 recverr_rfc4884 u8
  6490:1 defer_connect u8
  6496 rcv_tos u8
  6504 convert_csum u8
  6528 uc_index i32
  6560 mc_index i32
  6592 mc_addr u32
  6656 mc_list ptr
  6720 cork bytes 144
  7872 local_port_range.lo u16
  7888 local_port_range.hi u16
struct inet_connection_sock 1400
  0 icsk_inet struct inet_sock
  7936 icsk_accept_queue bytes 80
  8576 icsk_bind_hash ptr
  8640 icsk_bind2_hash ptr
  8704 icsk_timeout u64
  8768 icsk_retransmit_timer bytes 40
  9088 icsk_delack_timer bytes 40
  9408 icsk_rto u32
  9440 icsk_rto_min u32
  9472 icsk_delack_max u32
  9504 icsk_pmtu_cookie u32
  9536 icsk_ca_ops ptr tcp_congestion_ops
  9600 icsk_af_ops ptr
  9664 icsk_ulp_ops ptr
  9728 icsk_ulp_data ptr
  9792 icsk_clean_acked ptr
  9856 icsk_sync_mss ptr
  9920:5 icsk_ca_state u8
  9925:1 icsk_ca_initialized u8
  9926:1 icsk_ca_setsockopt u8
  9927:1 icsk_ca_dst_locked u8
  9928 icsk_retransmits u8
  9936 icsk_pending u8
  9944 icsk_backoff u8
  9952 icsk_syn_retries u8
  9960 icsk_probes_out u8
  9968 icsk_ext_hdr_len u16
  9984 icsk_ack.pending u8
  9992 icsk_ack.quick u8
  10000 icsk_ack.pingpong u8
  10008 icsk_ack.retry u8
  10016 icsk_ack.ato u32
  10048 icsk_ack.timeout u64
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
struct tcp_sock 2240
  0 inet_conn struct inet_connection_sock
  11200 tcp_header_len u16
  11216 gso_segs u16
  11232 pred_flags u32
  11264 bytes_received u64
  11328 segs_in u32
  11360 data_segs_in u32
  11392 rcv_nxt u32
  11424 copied_seq u32
  11456 rcv_wup u32
  11488 snd_nxt u32
  11520 segs_out u32
  11552 data_segs_out u32
  11584 bytes_sent u64
  11648 bytes_acked u64
  11712 dsack_dups u32
  11744 snd_una u32
  11776 snd_sml u32
  11808 rcv_tstamp u32
  11840 lsndtime u32
  11872 last_oow_ack_time u32
  11904 compressed_ack_rcv_nxt u32
  11936 tsoffset u32
  11968 tsq_node bytes 16
  12096 tsorted_sent_queue bytes 16
  12224 snd_wl1 u32
  12256 snd_wnd u32
  12288 max_window u32
  12320 mss_cache u32
  12352 window_clamp u32
  12384 rcv_ssthresh u32
  12416 rack bytes 24
  12608 advmss u16
  12624 compressed_ack u8
  12632:2 dup_ack_counter u8
  12634:1 tlp_retrans u8
  12635:5 unused u8
  12640 chrono_start u32
  12672 chrono_stat u32[3]
  12768:2 chrono_type u8
  12770:1 rate_app_limited u8
  12771:1 fastopen_connect u8
  12772:1 fastopen_no_cookie u8
  12773:1 is_sack_reneg u8
  12774:2 fastopen_client_fail u8
  12776:4 nonagle u8
  12780:1 thin_lto u8
  12781:1 recvmsg_inq u8
  12782:1 repair u8
  12783:1 frto u8
  12784 repair_queue u8
  12792:2 save_syn u8
  12794:1 syn_data u8
  12795:1 syn_fastopen u8
  12796:1 syn_fastopen_exp u8
  12797:1 syn_fastopen_ch u8
  12798:1 syn_data_acked u8
  12799:1 is_cwnd_limited u8
  12800 tlp_high_seq u32
  12832 tcp_tx_delay u32
  12864 tcp_wstamp_ns u64
  12928 tcp_clock_cache u64
  12992 tcp_mstamp u64
  13056 srtt_us u32
  13088 mdev_us u32
  13120 mdev_max_us u32
  13152 rttvar_us u32
  13184 rtt_seq u32
  13216 rtt_min bytes 24
  13408 packets_out u32
  13440 retrans_out u32
  13472 max_packets_out u32
  13504 cwnd_usage_seq u32
  13536 urg_data u16
  13552 ecn_flags u8
  13560 keepalive_probes u8
  13568 reordering u32
  13600 reord_seen u32
  13632 snd_up u32
  13664 rx_opt bytes 24
  13856 snd_ssthresh u32
  13888 snd_cwnd u32
  13920 snd_cwnd_cnt u32
  13952 snd_cwnd_clamp u32
  13984 snd_cwnd_used u32
  14016 snd_cwnd_stamp u32
  14048 prior_cwnd u32
  14080 prr_delivered u32
  14112 prr_out u32
  14144 delivered u32
  14176 delivered_ce u32
  14208 lost u32
  14240 app_limited u32
  14272 first_tx_mstamp u64
  14336 delivered_mstamp u64
  14400 rate_delivered u32
  14432 rate_interval_us u32
  14464 rcv_wnd u32
  14496 write_seq u32
  14528 notsent_lowat u32
  14560 pushed_seq u32
  14592 lost_out u32
  14624 sacked_out u32
  14656 pacing_timer bytes 64
  15168 compressed_ack_timer bytes 64
  15680 lost_skb_hint ptr
  15744 retransmit_skb_hint ptr
  15808 out_of_order_queue bytes 8
  15872 ooo_last_skb ptr
  15936 duplicate_sack bytes 8
  16000 selective_acks bytes 32
  16256 recv_sack_cache bytes 32
  16512 highest_sack ptr
  16576 lost_cnt_hint i32
  16608 prior_ssthresh u32
  16640 high_seq u32
  16672 retrans_stamp u32
  16704 undo_marker u32
  16736 undo_retrans i32
  16768 bytes_retrans u64
  16832 total_retrans u32
  16864 urg_seq u32
  16896 keepalive_time u32
  16928 keepalive_intvl u32
  16960 linger2 i32
  16992 bpf_sock_ops_cb_flags u8
  17000:1 bpf_chg_cc_inprogress u8
  17008 timeout_rehash u16
  17024 rcv_ooopack u32
  17056 rcv_rtt_last_tsecr u32
  17088 rcv_rtt_est.rtt_us u32
  17120 rcv_rtt_est.seq u32
  17152 rcv_rtt_est.time u64
  17216 rcvq_space.space u32
  17248 rcvq_space.seq u32
  17280 rcvq_space.time u64
  17344 mtu_probe.probe_seq_start u32
  17376 mtu_probe.probe_seq_end u32
  17408 mtu_info u32
  17440 is_mptcp bool
  17472 smc_hs_congested ptr
  17536 syn_smc bool
  17600 af_specific ptr
  17664 md5sig_info ptr
  17728 fastopen_req ptr
  17792 fastopen_rsk ptr
  17856 saved_syn ptr
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
  704 name i8[16]
  832 owner ptr
  896 list bytes 16
  1024 key u32
  1056 flags u32
  1088 init ptr
  1152 release ptr
struct mptcp_sock 1912
  0 sk struct inet_connection_sock
  11200 local_key u64
  11264 remote_key u64
  11328 write_seq u64
  11392 snd_nxt u64
  11456 ack_seq u64
  11520 rcv_wnd_sent.counter i64
  11584 rcv_data_fin_seq u64
  11648 rmem_fwd_alloc i32
  11712 last_snd ptr sock
  11776 snd_burst i32
  11808 old_wspace i32
  11840 recovery_snd_nxt u64
  11904 snd_una u64
  11968 wnd_end u64
  12032 timer_ival u64
  12096 token u32
  12128 rmem_released i32
  12160 flags u64
  12224 cb_flags u64
  12288 recovery bool
  12296 can_ack bool
  12304 fully_established bool
  12312 rcv_data_fin bool
  12320 snd_data_fin_enable bool
  12328 rcv_fastclose bool
  12336 use_64bit_ack bool
  12344 csum_enabled bool
  12352 allow_infinite_fallback bool
  12360 mpc_endpoint_id u8
  12368:1 recvmsg_inq u8
  12369:1 cork u8
  12370:1 nodelay u8
  12371:1 fastopening u8
  12372:1 in_accept_queue u8
  12373:1 free_first u8
  12374:1 fastclosing u8
  12384 keepalive_cnt i32
  12416 keepalive_idle i32
  12448 keepalive_intvl i32
  12480 work bytes 32
  12736 ooo_last_skb ptr
  12800 out_of_order_queue bytes 8
  12864 receive_queue bytes 24
  13056 conn_list bytes 16
  13184 rtx_queue bytes 16
  13312 first_pending ptr
  13376 join_list bytes 16
  13504 subflow ptr
  13568 first ptr sock
  13632 pm bytes 152
  14848 rcvq_space.space u32
  14880 rcvq_space.copied u32
  14912 rcvq_space.time u64
  14976 rcvq_space.rtt_us u64
  15040 allow_subflows bool
  15072 setsockopt_seq u32
  15104 ca_name i8[16]
  15232 fallback_lock bytes 4
struct mptcp_subflow_context 256
  0 node bytes 16
  128 avg_pacing_rate u64
  192 local_key u64
  256 remote_key u64
  320 idsn u64
  384 map_seq u64
  448 rcv_wnd_sent u64
  512 snd_isn u32
  544 token u32
  576 rel_write_seq u32
  608 map_subflow_seq u32
  640 ssn_offset u32
  672 map_data_len u32
  704 map_data_csum u32
  736 map_csum_len u32
  768:1 request_mptcp u32
  769:1 request_join u32
  770:1 request_bkup u32
  771:1 mp_capable u32
  772:1 mp_join u32
  773:1 fully_established u32
  774:1 pm_notified u32
  775:1 conn_finished u32
  776:1 map_valid u32
  777:1 map_csum_reqd u32
  778:1 map_data_fin u32
  779:1 mpc_map u32
  780:1 backup u32
  781:1 send_mp_prio u32
  782:1 send_mp_fail u32
  783:1 send_fastclose u32
  784:1 send_infinite_map u32
  785:1 rx_eof u32
  786:1 can_ack u32
  787:1 disposable u32
  788:1 stale u32
  789:1 valid_csum_seen u32
  790:1 close_event_done u32
  791:9 __unused u32
  800 data_avail e32
  832 pm_listener bool
  864 remote_nonce u32
  896 thmac u64
  960 local_nonce u32
  992 remote_token u32
  1024 hmac u8[20]
  1184 local_id i16
  1200 remote_id u8
  1208:1 reset_seen u8
  1209:1 reset_transient u8
  1210:4 reset_reason u8
  1216 stale_count u8
  1280 delegated_status i64
  1344 fail_tout u64
  128 reset.avg_pacing_rate u64
  192 reset.local_key u64
  256 reset.remote_key u64
  320 reset.idsn u64
  384 reset.map_seq u64
  448 reset.rcv_wnd_sent u64
  512 reset.snd_isn u32
  544 reset.token u32
  576 reset.rel_write_seq u32
  608 reset.map_subflow_seq u32
  640 reset.ssn_offset u32
  672 reset.map_data_len u32
  704 reset.map_data_csum u32
  736 reset.map_csum_len u32
  768:1 reset.request_mptcp u32
  769:1 reset.request_join u32
  770:1 reset.request_bkup u32
  771:1 reset.mp_capable u32
  772:1 reset.mp_join u32
  773:1 reset.fully_established u32
  774:1 reset.pm_notified u32
  775:1 reset.conn_finished u32
  776:1 reset.map_valid u32
  777:1 reset.map_csum_reqd u32
  778:1 reset.map_data_fin u32
  779:1 reset.mpc_map u32
  780:1 reset.backup u32
  781:1 reset.send_mp_prio u32
  782:1 reset.send_mp_fail u32
  783:1 reset.send_fastclose u32
  784:1 reset.send_infinite_map u32
  785:1 reset.rx_eof u32
  786:1 reset.can_ack u32
  787:1 reset.disposable u32
  788:1 reset.stale u32
  789:1 reset.valid_csum_seen u32
  790:1 reset.close_event_done u32
  791:9 reset.__unused u32
  800 reset.data_avail e32
  832 reset.pm_listener bool
  864 reset.remote_nonce u32
  896 reset.thmac u64
  960 reset.local_nonce u32
  992 reset.remote_token u32
  1024 reset.hmac u8[20]
  1184 reset.local_id i16
  1200 reset.remote_id u8
  1208:1 reset.reset_seen u8
  1209:1 reset.reset_transient u8
  1210:4 reset.reset_reason u8
  1216 reset.stale_count u8
  1280 reset.delegated_status i64
  1344 reset.fail_tout u64
  1408 delegated_node bytes 16
  1536 setsockopt_seq u32
  1568 stale_rcv_tstamp u32
  1600 tcp_sock ptr sock
  1664 conn ptr sock
  1728 icsk_af_ops ptr
  1792 tcp_state_change ptr
  1856 tcp_error_report ptr
  1920 rcu bytes 16`;
