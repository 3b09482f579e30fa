/*
 * Traffic as fast as one connection at a time goes. Addresses are of IPv4 or IPv6.
 *   traffic server ADDRESS PORT          answers every byte with a byte; what begins with 'b' it reads without an answer
 *   traffic rr ADDRESS PORT SECONDS      one connection, byte by byte; prints exchanges per second
 *   traffic crr ADDRESS PORT SECONDS     a connection for each exchange
 *   traffic mptcp-server ADDRESS PORT    the same for Multipath TCP
 *   traffic sessions ADDRESS PORT COUNT MS  Multipath TCP: that many sessions, one after the other; each exchanges a byte and
 *                                        is kept open for so many milliseconds
 *   traffic mptcp-storm ADDRESS PORT COUNT RATE  so many sessions of one exchange each, begun at that many per second, as far as
 *                                        they can; prints how many per second there were
 *   traffic mptcp-bulk ADDRESS PORT SECONDS  as bulk, for Multipath TCP
 *   traffic mptcp-sink ADDRESS PORT MS COUNT  takes one session; prints how many bytes came in each of COUNT spans of so many
 *                                        milliseconds from its first byte on, then ends
 *   traffic flow ADDRESS PORT COUNT BYTES  that many connections of so many bytes; prints for each the milliseconds
 *                                        from connecting until the other end has read them all and closed
 *   traffic send ADDRESS PORT BYTES      one connection; prints, once all is acknowledged, how many data segments left, how
 *                                        many ACKs came back, and the retransmission timeout in microseconds
 *   traffic bulk ADDRESS PORT SECONDS    one connection, one way; prints bits per second
 * STORAGE=MAP:BYTES in the environment: so many bytes hang on each socket before it connects, in the socket storage of that id.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static int protocol;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static void no_delay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void hang(int fd)
{
	const char *storage = getenv("STORAGE");
	static char value[256];
	static int map = -1;
	union bpf_attr attr = {};
	unsigned int id, bytes, at;

	if (!storage || sscanf(storage, "%u:%u", &id, &bytes) != 2 || bytes > sizeof(value))
		return;
	if (map < 0) {
		attr.map_id = id;
		map = syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, &attr, sizeof(attr));
		memset(&attr, 0, sizeof(attr));
		for (at = 0; at < bytes; at++)
			value[at] = at + 1;
	}
	attr.map_fd = map;
	attr.key = (unsigned long)&fd;
	attr.value = (unsigned long)value;
	if (map < 0 || syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)))
		die("socket storage");
}

static int dial(struct sockaddr_storage *to)
{
	int fd = socket(to->ss_family, SOCK_STREAM, protocol);

	if (fd >= 0)
		hang(fd);
	if (fd < 0 || connect(fd, (void *)to, sizeof(*to)))
		die("connect");
	no_delay(fd);
	return fd;
}

static void exchange(int fd)
{
	char byte = 'x';

	if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
		die("exchange");
}

static char bulk[128 * 1024];

static void put_all(int fd, long bytes)
{
	while (bytes > 0) {
		ssize_t put = write(fd, bulk, bytes < (long)sizeof(bulk) ? bytes : (long)sizeof(bulk));

		if (put < 0)
			die("write");
		bytes -= put;
	}
}

static void send_all(struct sockaddr_storage *to, long bytes)
{
	int fd = dial(to), waiting = 1;
	struct tcp_info info;
	socklen_t length = sizeof(info);

	put_all(fd, bytes);
	while (waiting > 0) {
		usleep(1000);
		if (ioctl(fd, SIOCOUTQ, &waiting))
			die("ioctl");
	}
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length))
		die("getsockopt");
	printf("%u %u %u\n", info.tcpi_data_segs_out, info.tcpi_segs_in - info.tcpi_data_segs_in, info.tcpi_rto);
}

static double flow(struct sockaddr_storage *to, long bytes)
{
	double start = now();
	int fd = dial(to);

	put_all(fd, bytes);
	shutdown(fd, SHUT_WR);
	if (read(fd, &(char){ 0 }, 1) != 0)
		die("read");
	close(fd);
	return (now() - start) * 1e3;
}

static int listener(struct sockaddr_storage *at)
{
	int fd = socket(at->ss_family, SOCK_STREAM, protocol), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)at, sizeof(*at)) || listen(fd, 1024))
		die("listen");
	puts("ready");
	fflush(stdout);
	return fd;
}

static void sink(struct sockaddr_storage *at, long ms, long count)
{
	int fd = accept(listener(at), NULL, NULL);
	struct pollfd wait = { fd, POLLIN, 0 };
	double end = 0;
	long bytes = 0;

	while (count > 0) {
		double left = end ? (end - now()) * 1e3 : 1e6;
		ssize_t got = 0;

		if (left > 0 && poll(&wait, 1, left < 1 ? 1 : (int)left) > 0) {
			got = read(fd, bulk, sizeof(bulk));
			/* No more comes: the rest of the spans is empty. */
			if (got <= 0)
				wait.fd = -1;
			else if (!end)
				end = now() + ms / 1e3;
		}
		if (got > 0)
			bytes += got;
		for (; end && count > 0 && now() >= end; count--, end += ms / 1e3) {
			printf("%ld\n", bytes);
			fflush(stdout);
			bytes = 0;
		}
	}
}

static void serve(struct sockaddr_storage *at)
{
	struct pollfd fds[64] = { { .events = POLLIN } };
	int count = 1;

	fds[0].fd = listener(at);
	for (;;) {
		poll(fds, count, -1);
		for (int i = count - 1; i > 0; i--) {
			ssize_t got;

			if (!fds[i].revents)
				continue;
			got = read(fds[i].fd, bulk, sizeof(bulk));
			if (got > 0 && (bulk[0] == 'b' || write(fds[i].fd, bulk, 1) == 1))
				continue;
			close(fds[i].fd);
			fds[i] = fds[--count];
		}
		if (fds[0].revents && count < 64) {
			fds[count].fd = accept(fds[0].fd, NULL, NULL);
			no_delay(fds[count].fd);
			fds[count].revents = 0;
			fds[count++].events = POLLIN;
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_storage address = { 0 };
	struct sockaddr_in *v4 = (void *)&address;
	struct sockaddr_in6 *v6 = (void *)&address;
	/* Closing with a reset leaves no TIME_WAIT behind, of which there would be too many. */
	struct linger reset = { 1, 0 };
	double start, end;
	long count = 0;

	if (argc < 4)
		return 2;
	if (strchr(argv[2], ':')) {
		v6->sin6_family = AF_INET6;
		inet_pton(AF_INET6, argv[2], &v6->sin6_addr);
	} else {
		v4->sin_family = AF_INET;
		inet_pton(AF_INET, argv[2], &v4->sin_addr);
	}
	/* In the same place for both. */
	v4->sin_port = htons(atoi(argv[3]));
	if (!strncmp(argv[1], "mptcp-", 6)) {
		protocol = IPPROTO_MPTCP;
		argv[1] += 6;
	} else if (!strcmp(argv[1], "sessions")) {
		protocol = IPPROTO_MPTCP;
	}
	if (!strcmp(argv[1], "server"))
		serve(&address);
	if (!strcmp(argv[1], "sink")) {
		sink(&address, atol(argv[4]), atol(argv[5]));
		return 0;
	}
	memset(bulk, 'b', sizeof(bulk));
	if (!strcmp(argv[1], "flow")) {
		for (; count < atol(argv[4]); count++)
			printf("%.3f\n", flow(&address, atol(argv[5])));
		return 0;
	}
	if (!strcmp(argv[1], "sessions")) {
		for (; count < atol(argv[4]); count++) {
			int fd = dial(&address);

			exchange(fd);
			usleep(1000 * atol(argv[5]));
			close(fd);
		}
		return 0;
	}
	if (!strcmp(argv[1], "send")) {
		send_all(&address, atol(argv[4]));
		return 0;
	}
	if (!strcmp(argv[1], "storm")) {
		double rate = atof(argv[5]);

		for (start = now(); count < atol(argv[4]); count++) {
			int fd = dial(&address);

			exchange(fd);
			close(fd);
			end = start + (count + 1) / rate;
			if (end > now())
				usleep((end - now()) * 1e6);
		}
		printf("%.1f\n", count / (now() - start));
		return 0;
	}
	start = now();
	end = start + atof(argv[4]);
	if (!strcmp(argv[1], "rr")) {
		int fd = dial(&address);

		for (; now() < end; count++)
			exchange(fd);
	} else if (!strcmp(argv[1], "bulk")) {
		int fd = dial(&address);

		while (now() < end) {
			ssize_t put = write(fd, bulk, sizeof(bulk));

			if (put < 0)
				die("write");
			count += 8 * put;
		}
	} else {
		for (; now() < end; count++) {
			int fd = dial(&address);

			exchange(fd);
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
			close(fd);
		}
	}
	printf("%.1f\n", count / (now() - start));
	return 0;
}
