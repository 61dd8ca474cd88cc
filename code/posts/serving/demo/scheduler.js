// The scheduler of engine.py and the pages of pages.py over counts alone: what happens in each step, from arrivals.
// A test holds its rows against those that the engine itself recorded.

/** What a request's prompt is made of, page by page: pages of the group's common beginning are the same for all. */
function names(arrival, number, page) {
  const shared = arrival.shared / page, all = Math.ceil((arrival.shared + arrival.own + arrival.written) / page) + 1;
  return Array.from({ length: all }, (_, n) => (n < shared ? `${arrival.group}:${n}` : `own ${number}:${n}`));
}

/** Pages: free ones, ones that are only kept (in the order in which they fell idle), and owners of each name. */
class Pages {
  constructor(total) {
    this.free = total;
    this.total = total;
    this.named = new Map(); // name -> { owners }
    this.kept = new Map(); // names without owner, the longest unused first
  }

  get available() { return this.free + this.kept.size; }

  take() {
    if (this.free > 0) this.free--;
    else {
      const [oldest] = this.kept.keys();
      this.kept.delete(oldest);
      this.named.delete(oldest);
    }
    return { owners: 1, name: null };
  }

  match(wanted) {
    const found = [];
    for (const name of wanted) {
      const page = this.named.get(name);
      if (!page) break;
      found.push(page);
    }
    for (const page of found) {
      page.owners++;
      this.kept.delete(page.name);
    }
    return found;
  }

  seal(page, name) {
    if (this.named.has(name)) return;
    page.name = name;
    this.named.set(name, page);
  }

  release(pages) {
    for (const page of [...pages].reverse()) {
      if (--page.owners > 0) continue;
      if (page.name !== null) this.kept.set(page.name, page);
      else this.free++;
    }
  }
}

/** Steps until all have ended: rows of counts, and who computed how much in each. */
export function simulate({ page, limits, arrivals }, most = 5000) {
  const pages = new Pages(limits.pages), waiting = [], rows = [];
  let running = [], next = 0;
  const pending = (job) => job.tokens - job.computed;

  const room = (job, take) => {
    const needed = Math.ceil((job.computed + take) / page) - job.pages.length;
    if (needed > pages.available) return false;
    for (let n = 0; n < needed; n++) job.pages.push(pages.take());
    return true;
  };

  const admit = () => {
    let admitted = 0;
    while (waiting.length && running.length < limits.sequences) {
      const job = waiting[0], whole = Math.max(0, Math.ceil((job.tokens - page) / page));
      const found = pages.match(job.names.slice(0, whole));
      if (Math.floor(job.tokens / page) + 1 - found.length > pages.available) {
        pages.release(found);
        break;
      }
      waiting.shift();
      job.pages = found;
      job.computed = found.length * page;
      running.push(job);
      admitted++;
    }
    return admitted;
  };

  const plan = () => {
    let left = limits.budget, planned = [], preempted = 0;
    const writing = running.filter((job) => pending(job) <= 1), reading = running.filter((job) => pending(job) > 1);
    for (const job of [...writing, ...reading]) {
      const take = Math.min(pending(job), left, limits.chunk);
      if (take === 0 || !running.includes(job)) continue;
      while (!room(job, take)) {
        const victim = running.pop();
        pages.release(victim.pages);
        Object.assign(victim, { pages: [], computed: 0 });
        waiting.unshift(victim);
        preempted++;
        left += planned.filter(([one]) => one === victim).reduce((sum, [, n]) => sum + n, 0);
        planned = planned.filter(([one]) => one !== victim);
        if (victim === job) break;
      }
      if (running.includes(job)) {
        planned.push([job, take]);
        left -= take;
      }
    }
    return [planned, preempted];
  };

  for (let step = 0; step < most; step++) {
    for (; next < arrivals.length && arrivals[next].step <= step; next++) {
      const arrival = arrivals[next], prompt = arrival.shared + arrival.own;
      waiting.push({ number: next, names: names(arrival, next, page), prompt, tokens: prompt, computed: 0, pages: [], end: prompt + arrival.written });
    }
    if (!waiting.length && !running.length && next === arrivals.length) break;
    const admitted = admit(), [planned, preempted] = plan();
    const counts = { decoded: 0, prefilled: 0, finished: 0 };
    const chunks = planned.map(([job, take]) => [job.number, take]);
    for (const [job, take] of [...planned.filter(([, n]) => n === 1), ...planned.filter(([, n]) => n > 1)]) {
      const ends = take === pending(job), before = job.computed;
      job.computed += take;
      for (let n = Math.floor(before / page); n < Math.floor(job.computed / page); n++) pages.seal(job.pages[n], job.names[n]);
      if (ends) job.tokens++;
      if (take === 1 && job.tokens - job.prompt > 1) counts.decoded++;
      else counts.prefilled += take;
      if (ends && job.tokens === job.end) {
        running = running.filter((one) => one !== job);
        pages.release(job.pages);
        counts.finished++;
      }
    }
    rows.push({ ...counts, waiting: waiting.length, running: running.length, pages_used: pages.total - pages.available, admitted, preempted, chunks });
  }
  return rows;
}

/** Arrivals of a random stream: `every` steps apart on average, by a generator with a seed. */
export function stream(seed, requests, every, page) {
  let state = seed >>> 0;
  const random = () => { // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (least, below) => least + Math.floor(random() * (below - least));
  let at = 0;
  return Array.from({ length: requests }, () => {
    at += -every * Math.log(1 - random());
    return { step: Math.floor(at), group: whole(0, 3), shared: whole(0, 4) * page, own: whole(4, 60), written: whole(4, 40) };
  });
}
