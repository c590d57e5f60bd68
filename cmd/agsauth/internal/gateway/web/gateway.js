// The state of the gateway, as its admin interface tells it, and the acts on it.

import {Records} from './records.js';

const base = new URL('../', document.baseURI);
const pause = 1000; // before it connects again
const patience = 5000; // for an answer
const spacing = 400; // between two reads, so that a load test is not disturbed
const resync = 15000; // how often the clock is read

// call sends a request to the admin interface, and returns its answer.
async function call(method, path, body) {
  const answer = await fetch(new URL(path, base), {
    method,
    headers: body === undefined ? {} : {'Content-Type': 'application/json'},
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: 'no-store',
    credentials: 'omit',
    signal: AbortSignal.timeout(patience),
  });
  const content = await answer.json();
  if (!answer.ok) {
    throw new Error(content.error);
  }
  return content;
}

// Gateway has what was read last. It calls changed whenever there is something new.
export class Gateway {
  connection = 'connecting'; // live, or lost
  restarted = false; // whether what was known before the last connection is void
  config = null;
  sessions = [];
  faults = {queued: [], always: []};
  rejections = {all: false, next: 0};
  accounts = [];
  operations = {};
  geoBlock = false;
  skew = '0s';
  records = new Records();

  #changed;
  #event = 0; // the number of the last event
  #ahead = 0; // the gateway's clock less ours, in milliseconds
  #wanted = {some: false, all: false}; // what is to be read
  #reader = null; // the timer of the next read
  #lastRead = 0;
  #end = () => {}; // ends the stream of events

  constructor(changed) {
    this.#changed = changed;
    document.addEventListener('visibilitychange', () => this.want('all'));
    setInterval(() => this.want('all'), resync);
  }

  // now returns the time on the gateway's clock.
  now() {
    return Date.now() + this.#ahead;
  }

  // run connects, again and again.
  async run() {
    for (;;) {
      try {
        await this.#load();
        this.#connectionIs('live');
        await this.#follow();
      } catch {
        // The page says that the connection is lost.
      }
      this.#connectionIs('lost');
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  // act changes the gateway.
  async act(method, path, body) {
    await call(method, path, body);
    try {
      await this.#read('all');
    } catch {
      this.#end(); // the act was done; the page connects again
    }
  }

  // want has the state read again soon: all of it, or some, namely what requests change.
  want(what) {
    this.#wanted[what] = true;
    if (this.#reader || this.connection !== 'live' || document.hidden) {
      return;
    }
    const wait = Math.max(0, this.#lastRead + spacing - Date.now());
    this.#reader = setTimeout(async () => {
      try {
        await this.#read();
      } catch {
        this.#end();
      }
      this.#reader = null;
      if (this.#wanted.some || this.#wanted.all) {
        this.want('some');
      }
    }, wait);
  }

  #connectionIs(state) {
    this.connection = state;
    this.#changed();
  }

  async #load() {
    const [config, {requests, event}] = await Promise.all([call('GET', 'config'), call('GET', 'requests')]);
    const last = this.records.latest()[0];
    const known = !last || requests.some((r) => r.number === last.number && r.at === last.at);
    this.restarted = this.config !== null && (event < this.#event || !known);
    this.config = config;
    this.#event = event;
    this.records.clear();
    requests.forEach((r) => this.records.put(r));
    await this.#read('all');
  }

  async #read(what) {
    const all = what === 'all' || this.#wanted.all;
    this.#wanted = {some: false, all: false};
    const reads = [call('GET', 'sessions'), call('GET', 'faults'), call('GET', 'rejections'), call('GET', 'stats')];
    if (all) {
      reads.push(call('GET', 'accounts'), call('GET', 'geoblock'), this.#readClock());
    }
    const [{sessions}, faults, rejections, {operations}, accounts, geoBlock] = await Promise.all(reads);
    Object.assign(this, {sessions, faults, rejections, operations});
    if (all) {
      Object.assign(this, {accounts: accounts.accounts, geoBlock: geoBlock.on});
    }
    this.#lastRead = Date.now();
    this.#changed();
  }

  async #readClock() {
    const sent = Date.now();
    const clock = await call('GET', 'clock');
    this.#ahead = Date.parse(clock.now) - (sent + Date.now()) / 2;
    this.skew = clock.skew;
  }

  // follow returns when the stream of events has ended.
  #follow() {
    return new Promise((resolve) => {
      const stream = new EventSource(new URL(`events?since=${this.#event}`, base));
      this.#end = () => {
        stream.close();
        resolve();
      };
      stream.onerror = this.#end;
      const on = (name, handle) => stream.addEventListener(name, (e) => {
        this.#event = Number(e.lastEventId);
        handle(e);
        this.#changed();
      });
      on('request', (e) => {
        this.records.put(JSON.parse(e.data));
        this.want('some');
      });
      on('changed', () => this.want('all'));
      on('reset', () => {
        this.records.clear();
        this.want('all');
      });
    });
  }
}
