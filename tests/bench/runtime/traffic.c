/*
 * Traffic as fast as one connection at a time goes.
 *   traffic server ADDRESS PORT          answers every byte with a byte; what begins with 'b' it reads without an answer
 *   traffic rr ADDRESS PORT SECONDS      one connection, byte by byte; prints exchanges per second
 *   traffic crr ADDRESS PORT SECONDS     a connection for each exchange
 *   traffic mptcp-server ADDRESS PORT    the same for Multipath TCP
 *   traffic sessions ADDRESS PORT COUNT MS  Multipath TCP: that many sessions, one after the other; each exchanges a byte and
 *                                        is kept open for so many milliseconds
 *   traffic flow ADDRESS PORT COUNT BYTES  that many connections of so many bytes; prints for each the milliseconds
 *                                        from connecting until the other end has read them all and closed
 *   traffic send ADDRESS PORT BYTES      one connection; prints, once all is acknowledged, how many data segments left, how
 *                                        many ACKs came back, and the retransmission timeout in microseconds
 *   traffic bulk ADDRESS PORT SECONDS    one connection, one way; prints bits per second
 */
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
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

static int dial(struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM, protocol);

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

static void send_all(struct sockaddr_in *to, long bytes)
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

static double flow(struct sockaddr_in *to, long bytes)
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

static void serve(struct sockaddr_in *at)
{
	struct pollfd fds[64] = { { .events = POLLIN } };
	int count = 1, one = 1;

	fds[0].fd = socket(AF_INET, SOCK_STREAM, protocol);
	setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fds[0].fd, (void *)at, sizeof(*at)) || listen(fds[0].fd, 1024))
		die("listen");
	puts("ready");
	fflush(stdout);
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
	struct sockaddr_in address = { .sin_family = AF_INET };
	/* Closing with a reset leaves no TIME_WAIT behind, of which there would be too many. */
	struct linger reset = { 1, 0 };
	double start, end;
	long count = 0;

	if (argc < 4)
		return 2;
	inet_pton(AF_INET, argv[2], &address.sin_addr);
	address.sin_port = htons(atoi(argv[3]));
	if (!strcmp(argv[1], "mptcp-server") || !strcmp(argv[1], "sessions"))
		protocol = IPPROTO_MPTCP;
	if (strstr(argv[1], "server"))
		serve(&address);
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
