// Which batches are selected: single ones, on any page; or all that match the filters, but for some.

/** A selection. It names ids only: what becomes of the batches meanwhile does not change it. */
export class Selection {
  #isAll = false;
  // What is selected; of all, what is not.
  #marked = new Set();
  #last = null;

  /** Whether all that match are selected, but for `left`. */
  get isAll() {
    return this.#isAll;
  }

  get isEmpty() {
    return !this.#isAll && this.#marked.size === 0;
  }

  /** The ids that are selected one by one; none when all that match are. */
  get ids() {
    return this.#isAll ? [] : [...this.#marked];
  }

  /** How many are left out of all. */
  get left() {
    return this.#isAll ? this.#marked.size : 0;
  }

  has(id) {
    return this.#isAll !== this.#marked.has(id);
  }

  /** Selects a batch, or lets go of it. */
  set(id, isOn) {
    if (isOn === this.#isAll) this.#marked.delete(id);
    else this.#marked.add(id);
    this.#last = id;
  }

  /** Does to all from the one before to this one what is done to this one, in the order of the list. */
  reach(id, isOn, list) {
    const [from, to] = [list.indexOf(this.#last), list.indexOf(id)];
    const range = from < 0 ? [id] : list.slice(Math.min(from, to), Math.max(from, to) + 1);
    for (const each of range) this.set(each, isOn);
    this.#last = id;
  }

  /** Selects all that match, on whatever page. */
  all() {
    this.#isAll = true;
    this.#marked.clear();
  }

  /** Selects nothing. */
  drop() {
    this.#isAll = false;
    this.#marked.clear();
    this.#last = null;
  }
}
