#!/usr/bin/env bash
# The option on a real connection: two network namespaces with a link between them, a cgroup with the program, a server in one and a client in
# the other, and tcpdump, which shows the option's bytes. Everything is removed at the end. As root: sudo lab/lab.sh [PROGRAM.ts]
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:-programs/hello-option.ts}
lab=tsbpf-lab-$$ a=tsbpf-a-$$ b=tsbpf-b-$$
[ "$(id -u)" = 0 ] || { echo "this needs root: sudo lab/lab.sh" >&2; exit 1; }
for tool in ip tcpdump node findmnt; do
  command -v "$tool" >/dev/null || { echo "this needs $tool" >&2; exit 1; }
done
cgroup=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)/$lab
log=$(mktemp)

tidy() {
  # The server first, by its cgroup: what bash knows of it is the shell around it.
  [ ! -e "$cgroup/cgroup.procs" ] || xargs -r kill <"$cgroup/cgroup.procs" 2>/dev/null || true
  for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
  wait 2>/dev/null || true
  ip netns delete "$a" 2>/dev/null || true
  ip netns delete "$b" 2>/dev/null || true
  # tsbpf leaves a cgroup in which a process is still on its way out.
  rmdir "$cgroup" 2>/dev/null || true
  rm -f "$log"
}
trap tidy EXIT

ip netns add "$a"
ip netns add "$b"
ip link add "lab-$$" netns "$a" type veth peer name "lab-$$" netns "$b"
ip -n "$a" addr add 192.0.2.1/24 dev "lab-$$"
ip -n "$b" addr add 192.0.2.2/24 dev "lab-$$"
for netns in "$a" "$b"; do
  ip -n "$netns" link set lo up
  ip -n "$netns" link set "lab-$$" up
done

# Runs until it is told to stop; makes the cgroup and removes it.
node_modules/.bin/tsbpf run "$program" --cgroup "$lab" --make >"$log" 2>&1 &
tsbpf=$!
until grep -q attached "$log"; do
  kill -0 "$tsbpf" 2>/dev/null || { cat "$log" >&2; exit 1; }
  sleep 0.1
done

# A process of the cgroup, in a namespace.
inside() {
  local netns=$1
  shift
  bash -c 'echo $$ >"$0/cgroup.procs" && exec ip netns exec "$@"' "$cgroup" "$netns" "$@"
}
inside "$b" node -e '
  require("node:net").createServer((socket) => socket.pipe(socket)).listen(4242, "192.0.2.2");
' &
echo "what the client sends:"
ip netns exec "$a" tcpdump -n -l -x -i "lab-$$" -c 4 "tcp dst port 4242" 2>/dev/null &
tcpdump=$!
sleep 1
inside "$a" node -e '
  const socket = require("node:net").connect(4242, "192.0.2.2", () => socket.write("hello"));
  socket.on("data", () => socket.end());
  socket.on("error", (error) => { console.error(String(error)); process.exit(1); });
'
wait "$tcpdump"
# Of a SIGTERM bash would say so.
xargs -r kill -INT <"$cgroup/cgroup.procs" || true
kill -INT "$tsbpf"
wait "$tsbpf" || true
