#!/bin/sh
# Process 1 of the virtual machine that kernel/run.sh boots. The root file
# system is the host's, read-only; the command runs in a root of its own, an
# overlay of that and a tmpfs, so it may write anywhere and leave nothing.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

mount -t tmpfs -o size=75% tmpfs /mnt || exec poweroff -f
mkdir /mnt/upper /mnt/work /mnt/root /mnt/run
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 run /mnt/run
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
root=/mnt/root
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount -t devtmpfs devtmpfs $root/dev
mkdir -p $root/dev/pts $root/dev/shm
mount -t devpts -o ptmxmode=666 devpts $root/dev/pts
mount -t tmpfs -o mode=1777 tmpfs $root/dev/shm
mount -t tmpfs tmpfs $root/run
mkdir -p $root/run/netns
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
mount -t bpf bpf $root/sys/fs/bpf
[ -d $root/sys/kernel/tracing ] && mount -t tracefs tracefs $root/sys/kernel/tracing 2>/dev/null
[ -d $root/sys/kernel/debug ] && mount -t debugfs debugfs $root/sys/kernel/debug 2>/dev/null
ln -sf /proc/self/fd $root/dev/fd
hostname tsbpf-vm
ip link set lo up
for tty in ttyS1 ttyS2; do stty -F $root/dev/$tty raw -echo; done


cp /mnt/run/command $root/run/tsbpf-command
chroot $root /bin/bash /run/tsbpf-command < $root/dev/null > $root/dev/ttyS1 2> $root/dev/ttyS2
echo $? > /mnt/run/status
# What the serial lines still hold goes out before the power does.
for tty in ttyS1 ttyS2; do stty -F $root/dev/$tty drain > $root/dev/null 2>&1; done
umount /mnt/run
echo o > $root/proc/sysrq-trigger
# Process 1 must not end, and the file system with the programs may be gone by now.
while :; do read -r _ < $root/dev/ttyS0; done
