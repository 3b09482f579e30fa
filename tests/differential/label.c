/* Loads each program of BPF objects by itself, as libbpf makes it whole, and prints what the kernel says: object, program, verdict, a tab between. */
#include <stdio.h>
#include <string.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

/* Of a struct of functions only the program in question stays; structs without it are not made. */
static void only(struct bpf_object *object, struct bpf_program *program)
{
	struct bpf_program *other;
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		size_t size = 0;
		void **words;
		int found = 0;

		if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		words = bpf_map__initial_value(map, &size);
		for (size_t at = 0; at < size / sizeof(*words); at++)
			found |= words[at] == program;
		if (!found) {
			bpf_map__set_autocreate(map, false);
			continue;
		}
		for (size_t at = 0; at < size / sizeof(*words); at++)
			bpf_object__for_each_program(other, object)
				if (other != program && words[at] == other)
					words[at] = NULL;
	}
}

static int label(const char *path, int which)
{
	static char log[1 << 24];
	struct bpf_object *object = bpf_object__open(path);
	struct bpf_program *program, *mine = NULL;
	int at = 0, failed;

	if (!object)
		return 0;
	bpf_object__for_each_program(program, object) {
		bpf_program__set_autoload(program, at == which);
		if (at++ == which)
			mine = program;
	}
	if (mine) {
		log[0] = 0;
		bpf_program__set_log_buf(mine, log, sizeof(log));
		bpf_program__set_log_level(mine, 1);
		if (bpf_program__type(mine) == BPF_PROG_TYPE_STRUCT_OPS)
			only(object, mine);
		failed = bpf_object__load(object);
		/* Without a word of the verifier's the program never got so far. */
		printf("%s\t%s\t%s\n", path, bpf_program__name(mine),
		       !failed ? "accept" : strstr(log, "processed ") ? "reject" : "not-asked");
		fflush(stdout);
	}
	bpf_object__close(object);
	return mine != NULL;
}

int main(int argc, char **argv)
{
	libbpf_set_print(silent);
	for (int file = 1; file < argc; file++)
		for (int which = 0; label(argv[file], which); which++)
			;
	return 0;
}
