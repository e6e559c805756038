// One boundary for the faults of this page: readers get a plain sentence, the console and the server's log the rest.
import { find } from './dom.js';
import { element, server } from './host.js';

const STOPPED = 'This part of the page stopped working; reload the page.';
const MODULES = new URL('..', import.meta.url).href; // what stack traces call the page's own code by
const FAULTS_TOLD = 5; // to the server, by one visit
const told = new Set();

// An error in words for people; `away` says that nobody answered, or was too busy to: the same may be requested again.
// Every other error is a fault of the page.
export class Told extends Error {
  constructor(text, away = false) {
    super(text);
    this.away = away;
  }
}

export function fault(error) {
  console.error(error);
  find('.rv-broken').hidden = false;
  const text = String(error?.stack ?? error).slice(0, 2000);
  if (told.has(text) || told.size >= FAULTS_TOLD) return;
  told.add(text);
  Promise.resolve(server.page_fault({ text })).catch(() => {}); // the console has it
}

// What to show of an error.
export function wordsOf(error) {
  if (error instanceof Told) return error.message;
  fault(error);
  return STOPPED;
}

// For work whose failure nobody has to be told of: a fault is one all the same.
export const passBy = (error) => void wordsOf(error);

// Whatever no handler caught. What comes from elsewhere, as from a browser's extensions, is not ours to tell of.
export function watchFaults(onTold) {
  const mine = element;
  const kinds = ['error', 'unhandledrejection'];
  function onStray(event) {
    if (!mine.isConnected) for (const kind of kinds) window.removeEventListener(kind, onStray);
    const error = event.reason ?? event.error;
    if (!(error instanceof Told) && !error?.stack?.includes(MODULES)) return;
    event.preventDefault(); // it is in the console already, once
    if (error instanceof Told) onTold(error);
    else fault(error);
  }
  for (const kind of kinds) window.addEventListener(kind, onStray);
  find('.rv-broken button').addEventListener('click', () => location.reload());
}
