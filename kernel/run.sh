#!/bin/bash
# Boots the patched kernel in QEMU and runs a command in it, in this repository.
#
#   kernel/run.sh [--debug-config] [--unpatched] [--timeout SECONDS] [--cpus N]
#                 [--memory MB] [--icount] [--kernel RELEASE|BZIMAGE] COMMAND [ARGUMENT…]
#
# --icount makes every instruction take one nanosecond of the machine's own time, on
# one processor: its clocks count instructions, and waiting takes no time.
# --kernel 6.1 boots another release, unpatched, which build.sh builds (5.10, 6.1, 6.12).
# The host's file system is the root, under a writable overlay that is thrown
# away; cgroup2 is on /sys/fs/cgroup, bpffs on /sys/fs/bpf.  Output and exit
# code are the command's, except:
#   124  it did not finish in time (the console log goes to standard error)
#   125  the virtual machine could not be started
#   126  the kernel warned, oopsed, or lockdep or KASAN reported something
# Variables whose names begin with TSBPF_ are passed on.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repository=$(dirname "$here")
seconds=600
cpus=2
memory=2048
kernel=
build_args=()
boot_args=
icount=
# The tag by which the kernel finds its root; before 5.15 there was one name for what is on no block device.
root_tag=root

die() { echo "kernel/run.sh: $*" >&2; exit 125; }

while [ $# -gt 0 ]; do
	case $1 in
	--debug-config)
		# With KASAN, an emulated processor may need longer than the 30 s that ACPI
		# grants the method which tells how interrupts are wired; the BIOS has a table.
		boot_args=" acpi=noirq"
		build_args+=("$1"); shift ;;
	--icount) icount=yes; cpus=1; shift ;;
	--unpatched) build_args+=("$1"); shift ;;
	--timeout) seconds=${2:?}; shift 2 ;;
	--cpus) cpus=${2:?}; shift 2 ;;
	--memory) memory=${2:?}; shift 2 ;;
	--kernel)
		# A release is what looks like one and is no file.
		if [[ ${2:?} =~ ^[0-9]+\.[0-9]+$ ]] && [ ! -e "$2" ]; then
			build_args+=(--kernel "$2")
			[ "$(printf '%s\n' "$2" 5.15 | sort -V | head -1)" = 5.15 ] || root_tag=/dev/root
		else kernel=$2; fi
		shift 2 ;;
	--) shift; break ;;
	-*) die "unknown option '$1'; see the head of $0" ;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || die "no command given; see the head of $0"

if ! command -v qemu-system-x86_64 > /dev/null; then
	if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
		DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends qemu-system-x86 >&2 ||
			die "needs qemu-system-x86_64, and apt-get could not install qemu-system-x86"
	else
		die "needs qemu-system-x86_64; run: apt-get install qemu-system-x86"
	fi
fi
if [ -z "$kernel" ]; then
	kernel=$("$here/build.sh" "${build_args[@]}") || die "the kernel could not be built"
	kernel=$kernel/bzImage
fi
[ -f "$kernel" ] || die "no kernel at $kernel"

run=$(mktemp -d "${TMPDIR:-/tmp}/tsbpf-vm.XXXXXX")
# Whoever ends this script ends the machine.
started=()
leave() {
	[ ${#started[@]} = 0 ] || kill "${started[@]}" 2> /dev/null || true
	rm -rf "$run"
}
trap leave EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP
{
	echo "cd $(printf %q "$repository") || exit 125"
	echo "export HOME=$(printf %q "${HOME:-/root}") PATH=$(printf %q "$PATH") TERM=dumb"
	for name in "${!TSBPF_@}"; do echo "export $name=$(printf %q "${!name}")"; done
	printf 'exec'
	printf ' %q' "$@"
	echo
} > "$run/command"

# KVM where it works, which opening the device does not tell: try it once.
accel=(-accel "tcg,thread=multi")
# Where others want the processors, an emulated one may stand still for as long as RCU waits before it reports a stall (21 s).
stall=" rcupdate.rcu_cpu_stall_timeout=120"
if [ -n "$icount" ]; then
	accel=(-accel "tcg,thread=single" -icount "shift=0,sleep=off")
elif [ -z "${TSBPF_NO_KVM:-}" ] && [ -w /dev/kvm ] &&
	timeout 5 qemu-system-x86_64 -accel kvm -cpu host -machine none -S \
		-display none -monitor stdio <<< quit > /dev/null 2>&1; then
	accel=(-accel kvm)
	stall=
fi

touch "$run/out" "$run/err" "$run/console"
tail -c +1 -s 0.1 -f "$run/out" & started+=($!)
tail -c +1 -s 0.1 -f "$run/err" >&2 & started+=($!)

code=0
timeout --foreground -k 10 "$seconds" qemu-system-x86_64 "${accel[@]}" \
	-machine pc -cpu max -smp "$cpus" -m "$memory" -display none -no-reboot -nodefaults \
	-serial "file:$run/console" -serial "file:$run/out" -serial "file:$run/err" \
	-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
	-device "virtio-9p-pci,fsdev=host,mount_tag=$root_tag" \
	-virtfs "local,path=$run,mount_tag=run,security_model=none,multidevs=remap" \
	-kernel "$kernel" \
	-append "console=ttyS0 no_timer_check loglevel=6 panic=-1 oops=panic root=$root_tag rootfstype=9p rootflags=trans=virtio,version=9p2000.L,msize=1048576,cache=loose ro init=$here/init.sh$boot_args$stall" \
	< /dev/null 2> "$run/qemu" &
machine=$!
started+=("$machine")
wait "$machine" || code=$?

sleep 0.3
kill "${started[@]}" 2> /dev/null || true
wait 2> /dev/null || true
started=()
[ -z "${TSBPF_CONSOLE_LOG:-}" ] || cp "$run/console" "$TSBPF_CONSOLE_LOG"

console() { echo "kernel/run.sh: $1; the console:" >&2; tail -n "${2:-80}" "$run/console" >&2; }

reports='WARNING: |BUG: |Oops[: ]|Kernel panic|KASAN|UBSAN|INFO: (possible|task|rcu|suspicious|trying)|general protection|possible (recursive|circular|irq)|inconsistent lock state|suspicious RCU usage|rcu: INFO|stack segment|unable to handle|scheduling while atomic|ODEBUG|refcount_t|list_(add|del) corruption|slab-'
if grep -qE "$reports" "$run/console"; then
	echo "kernel/run.sh: the kernel reported:" >&2
	grep -E -A60 "$reports" "$run/console" | head -150 >&2
	exit 126
fi
if [ $code = 124 ] || [ $code = 137 ]; then
	console "no end after $seconds s"
	exit 124
fi
if [ ! -s "$run/status" ]; then
	cat "$run/qemu" >&2
	console "the virtual machine stopped before the command ended"
	exit 125
fi
exit "$(cat "$run/status")"
