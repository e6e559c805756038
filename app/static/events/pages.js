// The events of a list, fetched page by page as they are looked at; never all of them. No DOM.
import { request } from '../lib/server.js';

export const PAGE = 60;
const MOST_PAGES = 40; // kept: those looked at last

/** `question` says whose list of what is wanted; `onNews` is called with each answer. */
export function makePages({ question, onNews }) {
  let pages = new Map(); // number: events, or the promise of them
  let list = {}; // what was asked of the list that is here
  let opening = 0;
  let era = 0; // answers to an earlier list are dropped
  let asOf = '';
  let total = 0;
  const underWay = new Set(); // of each question for a page, the events that were decided since it was asked

  async function ask(asked, number, at = '') {
    const mine = era;
    const decided = new Map();
    underWay.add(decided);
    const place = { offset: number * PAGE, limit: PAGE, ...(at && { at }) };
    const answer = await request('list_events', { ...asked, ...place }).finally(() => underWay.delete(decided));
    answer.events = answer.events.map((event) => decided.get(event.key) ?? event);
    return mine === era ? answer : null;
  }

  function take(answer) {
    if (!answer) return null;
    asOf = answer.as_of;
    total = answer.total;
    keep(answer.offset / PAGE, answer.events);
    onNews(answer);
    return answer;
  }
  const fetchPage = (number) => ask({ ...list, as_of: asOf }, number).then(take);

  function keep(number, events) {
    pages.delete(number);
    pages.set(number, events);
    for (const old of pages.keys()) {
      if (pages.size <= MOST_PAGES) break;
      pages.delete(old);
    }
  }

  const loaded = (number) => (Array.isArray(pages.get(number)) ? pages.get(number) : null);
  const at = (index) => loaded(Math.floor(index / PAGE))?.[index % PAGE];

  function indexOf(key) {
    for (const [number, events] of pages) {
      const place = Array.isArray(events) ? events.findIndex((event) => event.key === key) : -1;
      if (place >= 0) return number * PAGE + place;
    }
    return -1;
  }

  // The event at a place, fetched where it is not here yet; undefined past the end.
  async function get(index) {
    if (index < 0 || index >= total) return undefined;
    await load(index, index);
    return at(index);
  }

  // What is missing of a range.
  async function load(from, to) {
    const first = Math.floor(Math.max(0, from) / PAGE);
    const last = Math.floor(Math.min(to, total - 1) / PAGE);
    const waiting = [];
    for (let number = first; number <= last; number++) {
      if (!pages.has(number)) {
        const coming = fetchPage(number).finally(() => {
          if (pages.get(number) === coming) pages.delete(number); // it did not come
        });
        pages.set(number, coming);
      }
      waiting.push(pages.get(number));
    }
    await Promise.all(waiting);
  }

  return {
    at,
    get,
    load,
    indexOf,
    total: () => total,
    asOf: () => asOf,
    asked: () => ({ ...list, as_of: asOf }),
    // The list anew, or as it was when it was opened; at its top or where the event with that key is. What is here stays
    // until then, and can be decided on.
    async open(key = '', again = false) {
      const mine = ++opening;
      const wanted = question();
      const answer = await ask({ ...wanted, as_of: again ? asOf : '' }, 0, key);
      if (!answer || mine !== opening) return null;
      era += 1;
      list = wanted;
      pages = new Map();
      return take(answer);
    },
    // What is shown may be outdated: these pages are fetched again, and what else is kept goes.
    async refresh(from, to) {
      const [first, last] = [from, to].map((index) => Math.floor(Math.max(0, index) / PAGE));
      for (const number of [...pages.keys()]) if (number < first || number > last) pages.delete(number);
      for (let number = first; number <= last; number++) await fetchPage(number);
    },
    replace(events) {
      const now = new Map(events.map((event) => [event.key, event]));
      for (const decided of underWay) for (const event of events) decided.set(event.key, event);
      for (const kept of pages.values())
        if (Array.isArray(kept))
          kept.forEach((event, i) => {
            if (now.has(event.key)) kept[i] = now.get(event.key);
          });
    },
    loadedBetween(from, to) {
      const found = [];
      for (let index = from; index <= to; index++) if (at(index)) found.push(at(index));
      return found;
    },
  };
}
