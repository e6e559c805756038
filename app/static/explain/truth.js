// Ground truth of the clip: taken from an annotation file, shaded on the timeline, and measured against the score.
import { button, find, handOver, make, sayIn, takeChoice, takeDrops } from '../lib/dom.js';
import { wordsOf } from '../lib/faults.js';
import { clamp, clockSpan, plural } from '../lib/format.js';
import { request, uploadFile } from '../lib/server.js';
import { listen, tell } from '../state.js';
import { GAP_PX } from '../timeline/lanes.js';

const CLEAR_PX = 2; // so far above the lane's end the name stays clear of the next lane's

export function makeTruth({ onSeek }) {
  const box = find('.rv-gt');
  const said = find('.rv-gt-said');
  const facts = find('.rv-gt-facts');
  const layer = find('.rv-truths');
  const name = find('.rv-truthname');
  let analysis = null;
  let segments = [];
  let laid = null;

  function lay() {
    name.hidden = !segments.length;
    if (!laid) return;
    const { toPx, lanes, width } = laid;
    layer.style.top = lanes.score.top + 'px';
    layer.style.height = lanes.score.height + GAP_PX + 'px';
    name.style.top = lanes.score.top + lanes.score.height - CLEAR_PX + 'px';
    layer.replaceChildren(
      ...segments.map((s) => {
        const [from, to] = [clamp(toPx(s.start_s), -4, width + 4), clamp(toPx(s.end_s), -4, width + 4)];
        const made = make('span');
        made.style.left = from + 'px';
        made.style.width = Math.max(2, to - from) + 'px';
        made.hidden = to <= 0 || from >= width;
        return made;
      }),
    );
  }

  function measure(label, value, hint) {
    const made = make('div');
    made.append(make('dt', '', label), make('dd', '', value.toFixed(3)), make('dd', 'rv-hint', hint));
    return made;
  }

  function show(answer) {
    segments = answer.segments;
    box.dataset.kept = answer.source ? 'yes' : 'no';
    sayIn(said, '');
    for (const gone of [facts, find('.rv-gt-remove')]) handOver(gone, find('.rv-gt-choose'));
    facts.replaceChildren();
    if (answer.source) {
      const many = plural(segments.length, 'anomalous interval');
      said.textContent = (segments.length ? many : 'Normal') + ', from ' + answer.source;
      if (answer.ap == null) facts.append(make('p', 'rv-words', answer.why_not));
      else {
        const list = make('dl', 'rv-numbers');
        list.append(
          measure('AP', answer.ap, 'prevalence ' + answer.prevalence.toFixed(3) + ': the AP of a score without skill'),
          measure('AUC', answer.auc, '0.5: a score without skill'),
        );
        facts.append(list);
      }
      const jumps = make('div', 'rv-jumps');
      for (const s of segments) {
        const words = s.label + ' ' + clockSpan(s.start_s, s.end_s);
        jumps.append(button(words, 'rv-btn rv-small', () => onSeek(s.start_s)));
      }
      facts.append(jumps);
    }
    lay();
    tell('truth', segments);
  }

  // Questions of one clip whose answers come when another is open are dropped.
  async function follow(work) {
    const requested = analysis;
    try {
      const found = await work(requested);
      if (analysis === requested) show(found);
    } catch (error) {
      if (analysis !== requested) return;
      sayIn(said, wordsOf(error), true);
    }
  }

  const take = (blob) =>
    follow(async (analysis_id) => {
      said.textContent = 'Reading ' + blob.name + '…';
      const upload = await uploadFile(blob);
      return request('take_truth', { analysis_id, upload, name: blob.name });
    });

  takeChoice(find('.rv-gt-choose'), find('.rv-gt-file'), ([file]) => take(file));
  takeDrops(box, 'rv-over', take); // anywhere else on the page it is a video
  find('.rv-gt-remove').addEventListener('click', () =>
    follow((analysis_id) => request('drop_truth', { analysis_id })),
  );
  listen({
    annotated: take,
    opened(opened) {
      analysis = opened.analysis_id;
      follow((analysis_id) => request('truth', { analysis_id }));
    },
    back() {
      if (said.classList.contains('rv-wrong')) follow((analysis_id) => request('truth', { analysis_id }));
    },
    closed() {
      analysis = null;
      show({ source: null, segments: [] });
    },
    viewed(now) {
      laid = now;
      lay();
    },
  });
}
