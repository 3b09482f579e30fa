/** Things to do, each once, in the order in which they came: what is taken out and put in again comes last. */
export class Worklist<T> {
  readonly #items = new Set<T>();
  /**
   * One walk for all: it goes on to what is added behind it, where a new one would pass everything that was deleted before it
   * (V8 keeps their places for a while), each time.
   */
  #walk = this.#items.values();

  add(item: T): void {
    this.#items.add(item);
  }
  /** Whether it was there. */
  delete(item: T): boolean {
    return this.#items.delete(item);
  }
  /** The first of them, which is not there any more. */
  take(): T | undefined {
    let next = this.#walk.next();
    if (next.done && this.#items.size > 0) {
      // A walk that has come to the end stays there.
      this.#walk = this.#items.values();
      next = this.#walk.next();
    }
    if (next.done) return undefined;
    this.#items.delete(next.value);
    return next.value;
  }
  [Symbol.iterator](): Iterator<T> {
    return this.#items.values();
  }
}
