/*
 * Opens an object with libbpf, loads it, and tells what libbpf made of it: one line for each map and program,
 * with the instructions that libbpf gave to the kernel (subprograms appended, file descriptors filled in).
 * Usage: load-with-libbpf OBJECT [PIN-ROOT]; exit 1 and libbpf's own words when something fails.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int say(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, format, arguments);
}

int main(int count, char **arguments)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .pin_root_path = count > 2 ? arguments[2] : NULL);
	struct bpf_object *object;
	struct bpf_program *program;
	struct bpf_map *map;

	libbpf_set_print(say);
	if (count < 2)
		return 2;
	object = bpf_object__open_file(arguments[1], &options);
	if (!object || bpf_object__load(object))
		return 1;
	bpf_object__for_each_map(map, object) {
		printf("map %s type=%d key=%u value=%u max=%u flags=%#x pin=%s\n", bpf_map__name(map), bpf_map__type(map),
		       bpf_map__key_size(map), bpf_map__value_size(map), bpf_map__max_entries(map), bpf_map__map_flags(map),
		       bpf_map__pin_path(map) ? "yes" : "no");
		bpf_map__unpin(map, NULL);
	}
	bpf_object__for_each_program(program, object) {
		struct bpf_prog_info info;
		__u32 size = sizeof(info);

		memset(&info, 0, sizeof(info));
		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
			return 1;
		const unsigned char *bytes = (const void *)bpf_program__insns(program);

		printf("program %s section=%s type=%d attach=%d slots=%zu functions=%u lines=%u code=", bpf_program__name(program),
		       bpf_program__section_name(program), bpf_program__type(program),
		       bpf_program__expected_attach_type(program), bpf_program__insn_cnt(program), info.nr_func_info,
		       info.nr_line_info);
		for (size_t at = 0; at < bpf_program__insn_cnt(program) * 8; at++)
			printf("%02x", bytes[at]);
		printf("\n");
	}
	bpf_object__close(object);
	return 0;
}
