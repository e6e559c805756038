// Work that the server does in the background: analyses, copies, maps, exports, previews. One poller watches them all.
import { clamp } from './format.js';

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export const isOver = ({ state }) => ['done', 'failed', 'cancelled'].includes(state);

// Polls until it is over, and answers with the last step; null as soon as nobody waits for it any more.
export async function poll(fetchStep, { wanted, onStep = () => {}, over = isOver, every_ms = 300 }) {
  for (;;) {
    const step = await fetchStep();
    if (!wanted()) return null;
    await onStep(step);
    if (over(step)) return wanted() ? step : null;
    await pause(every_ms);
  }
}

// From 0 to 1; null while nobody knows.
export const shareOf = ({ total, done }) => (total && done ? clamp(done / total, 0, 1) : null);

// The stages of an analysis.
export const STAGES = {
  waiting: 'Starting',
  'loading the model': 'Loading the model',
  reading: 'Reading the file',
  pictures: 'Looking at the pictures',
  sound: 'Listening to the sound',
  model: 'Scoring',
};
