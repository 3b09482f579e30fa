/** A session's stream at its sender: what the application has written and the peer has not acknowledged (the fragments of net/mptcp/protocol.c). */

/** Bytes of the stream, counted from 0: from the first to before the last. */
export interface Fragment {
  start: number;
  end: number;
  /** Bytes of it that some subflow has been given (already_sent). */
  sent: number;
}
export interface Stream {
  /** write_seq, snd_nxt, snd_una. */
  readonly written: number;
  readonly next: number;
  readonly una: number;
  /** Something that was given to a subflow is given to others, because that one is stale. */
  readonly isRecovering: boolean;
  /** What is to be given to a subflow next (first_pending). */
  readonly pending: Fragment | undefined;
  /** Where that begins. */
  readonly pendingFrom: number;
  /** The first fragment that is unacknowledged; undefined where nothing has left. */
  readonly oldest: Fragment | undefined;
  write(bytes: number): void;
  /** So many bytes of what is pending were given to a subflow. Says how many of them had been given to one before. */
  give(bytes: number): number;
  acknowledge(upTo: number): void;
  /** Everything unacknowledged becomes pending (__mptcp_retransmit_pending_data). False: there is nothing. */
  recover(): boolean;
  /** The parts of a range that some subflow has been given, one for each fragment. */
  given(from: number, to: number): { readonly start: number; readonly end: number }[];
}

/** Of a page fragment of the kernel's. */
const MOST_BYTES = 32_768;

export function createStream(): Stream {
  const fragments: Fragment[] = [];
  /** Index of the pending one; as many as there are: none. */
  let pending = 0;
  let [written, next, una] = [0, 0, 0];
  let recoverTo: number | undefined;

  const tail = (): Fragment | undefined => (pending < fragments.length ? fragments.at(-1) : undefined);
  return {
    get written() {
      return written;
    },
    get next() {
      return next;
    },
    get una() {
      return una;
    },
    get isRecovering() {
      return recoverTo !== undefined;
    },
    get pending() {
      return fragments[pending];
    },
    get pendingFrom() {
      const one = fragments[pending];
      return one ? one.start + one.sent : written;
    },
    get oldest() {
      return una === next ? undefined : fragments[0];
    },
    write(bytes) {
      const end = written + bytes;
      const last = tail();
      if (last) {
        const more = Math.min(bytes, MOST_BYTES - (last.end - last.start));
        last.end += Math.max(0, more);
        written = last.end;
      }
      while (written < end) {
        const one = { start: written, end: Math.min(end, written + MOST_BYTES), sent: 0 };
        fragments.push(one);
        written = one.end;
      }
    },
    give(bytes) {
      const one = fragments[pending]!;
      const from = one.start + one.sent;
      one.sent += bytes;
      const again = Math.min(bytes, Math.max(0, next - from));
      next = Math.max(next, from + bytes);
      if (one.start + one.sent === one.end) pending++;
      return again;
    },
    acknowledge(upTo) {
      if (upTo <= una) return;
      una = upTo;
      let gone = 0;
      while (gone < fragments.length && fragments[gone]!.end <= una) gone++;
      fragments.splice(0, gone);
      pending = Math.max(0, pending - gone);
      const first = fragments[0];
      if (first && first.start < una) {
        first.sent = Math.max(0, first.sent - (una - first.start));
        first.start = una;
      }
      if (recoverTo !== undefined && una > recoverTo) recoverTo = undefined;
    },
    recover() {
      if (una === next) return false;
      recoverTo = next;
      pending = 0;
      for (const one of fragments) one.sent = 0;
      return true;
    },
    given(from, to) {
      return fragments.flatMap(({ start, sent }) => {
        const part = { start: Math.max(from, start), end: Math.min(to, start + sent) };
        return part.end > part.start ? [part] : [];
      });
    },
  };
}
