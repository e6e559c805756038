// What stands where the timeline will be: progress, or why there is none and what can be done.
import { find, showShare } from '../lib/dom.js';
import { wordsOf } from '../lib/faults.js';
import { about, clock, percent } from '../lib/format.js';
import { shareOf, STAGES } from '../lib/jobs.js';
import { request } from '../lib/server.js';
import { state } from '../state.js';

export function showWork(title, text, act, share) {
  const growing = share !== undefined && Boolean(state.curves?.growing); // it stands below what is known so far
  find('.rv').dataset.work = share === undefined ? 'rest' : growing ? 'growing' : 'busy';
  if (!growing) find('.rv-count').textContent = 'Segments appear here after the analysis.';
  find('.rv-stagename').textContent = title;
  find('.rv-worktext').textContent = text;
  showShare(find('.rv-progress'), share);
  const actButton = find('.rv-act');
  actButton.hidden = !act;
  if (act) [actButton.textContent, actButton.onclick] = act;
}

export const showBusy = (title) => showWork(title, '', null, null);

export const showFailure = (error, again) => showWork('The analysis stopped', wordsOf(error), ['Try again', again]);

export function showStep(step, again) {
  if (step.stopping) return showBusy('Stopping…');
  const share = shareOf(step);
  const stage = step.state === 'queued' ? 'Waiting for the clip before it' : (STAGES[step.stage] ?? step.stage);
  const left = step.left_s == null ? '' : about(step.left_s) + ' left';
  const facts = [step.message, share === null ? '' : percent(share), clock(step.elapsed_s, 0) + ' elapsed', left];
  const cancel = () =>
    request('cancel', { job: step.job }).then(
      (next) => showStep(next, again),
      (error) => showFailure(error, again),
    );
  showWork(stage, facts.filter(Boolean).join(' · '), ['Cancel', cancel], share);
}
