// The latest requests of each operation. There may be thousands in a second, so it keeps
// few; and as those of the API usually are most of all, they do not displace others.

const kept = 100;

export class Records {
  #ops = new Map();

  // put adds a request, or replaces an earlier state of it.
  put(request) {
    const list = this.#ops.get(request.op) ?? [];
    this.#ops.set(request.op, list);
    const i = list.findLastIndex((r) => r.number <= request.number);
    if (i >= 0 && list[i].number === request.number) {
      list[i] = request;
      return;
    }
    list.splice(i + 1, 0, request);
    if (list.length > kept) {
      list.shift();
    }
  }

  clear() {
    this.#ops.clear();
  }

  // latest returns the latest requests of an operation, or of all if op is empty, the
  // newest first.
  latest(op = '') {
    const lists = op ? [this.#ops.get(op) ?? []] : [...this.#ops.values()];
    return lists.flat().sort((a, b) => b.number - a.number).slice(0, kept);
  }

  ops() {
    return [...this.#ops.keys()].sort();
  }
}
