/*
 * Loads pages as browsers do over HTTP/1.1: six connections to a host at most, kept for the next request, and an object
 * is asked for when the one that names it is there. All hosts are one server.
 *   replay ADDRESS PORT PAGES FIRST COUNT     prints for each page the milliseconds until its last object is there
 * PAGES has a page a line, an object a word: host, bytes, parent (-1: the page itself).
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OBJECTS 512
#define HOSTS 64
#define PER_HOST 6
#define CONNECTIONS (HOSTS * PER_HOST)

static struct {
	int host, parent;
	long bytes;
	enum { HIDDEN, WANTED, COMING, THERE } state;
} objects[OBJECTS];
static int count, there;

static struct {
	int fd, host;
	int object; /* that comes, or -1 */
	int connected;
	/* Of the answer's head, the last four bytes, and whether it has ended. */
	unsigned int tail;
	int in_body;
	long left;
} connections[CONNECTIONS];
static int open_count;
static struct sockaddr_in server = { .sin_family = AF_INET };

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void ask(int c)
{
	char text[200];
	int length;

	for (int i = 0; i < count; i++) {
		if (objects[i].state != WANTED || objects[i].host != connections[c].host)
			continue;
		length = snprintf(text, sizeof(text), "GET /file HTTP/1.1\r\nHost: h%d\r\nRange: bytes=0-%ld\r\n\r\n",
				  objects[i].host, objects[i].bytes - 1);
		if (write(connections[c].fd, text, length) != length)
			die("write");
		objects[i].state = COMING;
		connections[c].object = i;
		connections[c].tail = 0;
		connections[c].in_body = 0;
		connections[c].left = objects[i].bytes;
		return;
	}
}

/* Connections for what waits: one that is idle, or a new one, as many as a host may have. */
static void hand_out(void)
{
	int waiting[HOSTS] = { 0 }, opening[HOSTS] = { 0 }, have[HOSTS] = { 0 }, one = 1;

	for (int c = 0; c < open_count; c++) {
		have[connections[c].host]++;
		if (connections[c].connected && connections[c].object < 0)
			ask(c);
		else if (!connections[c].connected)
			opening[connections[c].host]++;
	}
	for (int i = 0; i < count; i++)
		waiting[objects[i].host] += objects[i].state == WANTED;
	for (int h = 0; h < HOSTS; h++) {
		while (waiting[h] > opening[h] && have[h] < PER_HOST) {
			int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), c = open_count++;

			if (fd < 0)
				die("socket");
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			connect(fd, (void *)&server, sizeof(server));
			connections[c].fd = fd;
			connections[c].host = h;
			connections[c].object = -1;
			connections[c].connected = 0;
			have[h]++;
			opening[h]++;
		}
	}
}

static void arrived(int object)
{
	objects[object].state = THERE;
	there++;
	for (int i = 0; i < count; i++)
		if (objects[i].state == HIDDEN && objects[i].parent == object)
			objects[i].state = WANTED;
}

static void take(int c)
{
	static char bytes[65536];
	ssize_t got = read(connections[c].fd, bytes, sizeof(bytes));
	long at = 0;

	if (got <= 0)
		die("the server has closed");
	while (at < got) {
		if (connections[c].object < 0)
			die("more than was asked for");
		if (!connections[c].in_body) {
			connections[c].tail = connections[c].tail << 8 | (unsigned char)bytes[at++];
			connections[c].in_body = connections[c].tail == 0x0d0a0d0a;
			continue;
		}
		if (got - at < connections[c].left) {
			connections[c].left -= got - at;
			return;
		}
		at += connections[c].left;
		arrived(connections[c].object);
		connections[c].object = -1;
	}
}

static double load_page(void)
{
	struct linger reset = { 1, 0 };
	double start = now_ms(), end;

	there = 0;
	open_count = 0;
	for (int i = 0; i < count; i++)
		objects[i].state = objects[i].parent < 0 ? WANTED : HIDDEN;
	while (there < count) {
		struct pollfd fds[CONNECTIONS];
		int polled;

		hand_out();
		polled = open_count;
		for (int c = 0; c < polled; c++)
			fds[c] = (struct pollfd){ connections[c].fd, connections[c].connected ? POLLIN : POLLOUT, 0 };
		if (poll(fds, polled, 60000) <= 0)
			die("nothing came for a minute");
		for (int c = 0; c < polled; c++) {
			if (!fds[c].revents)
				continue;
			if (connections[c].connected)
				take(c);
			else if (fds[c].revents & POLLERR)
				die("connect");
			else
				connections[c].connected = 1;
		}
	}
	end = now_ms();
	for (int c = 0; c < open_count; c++) {
		/* No TIME_WAIT, of which there would be too many. */
		setsockopt(connections[c].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(connections[c].fd);
	}
	return end - start;
}

int main(int argc, char **argv)
{
	static char line[OBJECTS * 24];
	int first, last;
	FILE *pages;

	if (argc < 6)
		return 2;
	inet_pton(AF_INET, argv[1], &server.sin_addr);
	server.sin_port = htons(atoi(argv[2]));
	pages = fopen(argv[3], "r");
	if (!pages)
		die(argv[3]);
	first = atoi(argv[4]);
	last = first + atoi(argv[5]);
	for (int page = 0; page < last && fgets(line, sizeof(line), pages); page++) {
		if (page < first)
			continue;
		count = 0;
		for (char *word = strtok(line, " \n"); word && count < OBJECTS; word = strtok(NULL, " \n"), count++)
			if (sscanf(word, "%d,%ld,%d", &objects[count].host, &objects[count].bytes, &objects[count].parent) != 3)
				die(word);
		printf("%.2f\n", load_page());
		fflush(stdout);
	}
	return 0;
}
