// What the library list says of a clip. No DOM.
import { about, percent, plural } from '../lib/format.js';
import { shareOf, STAGES } from '../lib/jobs.js';
import { lostSense, unseenReasons } from '../lib/unseen.js';

// What was not seen or heard: [in short, with the reasons].
export function lostOf({ unseen_s }) {
  if (!unseen_s?.length) return ['', ''];
  const sense = lostSense(unseen_s);
  return [' · not all ' + sense, 'not ' + sense + ': ' + unseenReasons(unseen_s)];
}

const reviewWords = ({ left, decided }) =>
  left ? left + ' of ' + (left + decided) + ' left' : 'all ' + decided + ' reviewed';

// [its score or where it stands, a second line, the share done or null].
export function wordsOfEntry(entry, where) {
  const { work, review, segments } = entry;
  const left_s = work?.left_s ?? null;
  if (where === 'waiting')
    return ['waiting', left_s === null ? 'Waits for the clips before it' : 'Done in ' + about(left_s), null];
  if (where === 'analysing') {
    if (work.stopping) return ['stopping', '', null];
    const share = shareOf(work);
    const stage = STAGES[work.stage] ?? work.stage;
    return [
      left_s === null ? 'analysing' : about(left_s) + ' left',
      stage + (share === null ? '' : ' · ' + percent(share)),
      share,
    ];
  }
  if (where === 'failed') return ['failed', work?.error || entry.error, null];
  if (where === 'unseen') return ['not analysed', '', null];
  const [lost] = lostOf(entry);
  const score = (entry.trained ? 'peak ' : 'untrained ') + entry.peak.toFixed(2);
  if (segments === null) return [score, '', null];
  if (where === 'quiet') return [score, (entry.watched ? '✓ watched, nothing here' : 'no segments') + lost, null];
  return [score, (review ? reviewWords(review) : plural(segments, 'segment')) + ' · ' + entry.called + lost, null];
}
