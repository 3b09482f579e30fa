/*
 * What a libbpf program in C reaches on the same maps.
 *   peer map PATH ENTRIES      looks every key up, stores it again, reads and stores all in batches; prints operations
 *                              per second of each
 *   peer ring PATH             consumes what is in the ring; prints events per second
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long events;
static unsigned long long sum;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int take(void *context, void *data, size_t size)
{
	events++;
	sum += *(unsigned long long *)data;
	return 0;
}

int main(int argc, char **argv)
{
	int fd = bpf_obj_get(argv[2]);
	double start;

	if (fd < 0)
		return 1;
	if (!strcmp(argv[1], "ring")) {
		struct ring_buffer *ring = ring_buffer__new(fd, take, NULL, NULL);

		start = now();
		ring_buffer__consume(ring);
		printf("%ld %.0f\n", events, events / (now() - start));
		return 0;
	}
	unsigned entries = atoi(argv[3]), key;
	unsigned long long value;

	start = now();
	for (key = 0; key < entries; key++)
		bpf_map_lookup_elem(fd, &key, &value);
	printf("%.0f ", entries / (now() - start));
	start = now();
	for (key = 0; key < entries; key++)
		bpf_map_update_elem(fd, &key, &value, 0);
	printf("%.0f ", entries / (now() - start));
	/* In batches, as libbpf programs that dump maps do. */
	unsigned *keys = calloc(entries, sizeof(*keys)), next = 0, got;
	unsigned long long *values = calloc(entries, sizeof(*values));
	int done = 0, first = 1, total = 0;

	start = now();
	while (!done) {
		got = 4096;
		done = bpf_map_lookup_batch(fd, first ? NULL : &next, &next, keys + total, values + total, &got, NULL) != 0;
		total += got;
		first = 0;
		if (total + 4096 > (int)entries)
			break;
	}
	printf("%.0f ", total / (now() - start));
	start = now();
	for (done = 0; done < total; done += got) {
		got = total - done < 4096 ? total - done : 4096;
		if (bpf_map_update_batch(fd, keys + done, values + done, &got, NULL))
			return 1;
	}
	printf("%.0f\n", total / (now() - start));
	return 0;
}
