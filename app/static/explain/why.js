// The tab "Why": what the analysis holds about one segment. It stays with the last segment visited; a seek from within
// the tab, such as a look at a similar moment, does not take it away, but offers the segment there.
import { button, find, handOver, item, make } from '../lib/dom.js';
import { wordsOf } from '../lib/faults.js';
import { clock } from '../lib/format.js';
import { request } from '../lib/server.js';
import { markName } from '../review/cut.js';
import { listen, state } from '../state.js';
import { makeCurve } from './charts.js';
import {
  classesPart,
  cuesPart,
  nearPart,
  neighbourButton,
  runsPart,
  saliencyPart,
  sharesPart,
  whyHead,
  withoutPart,
} from './why_parts.js';

export function makeWhy({ onSeek, onOpen, now, strongest }) {
  const panel = find('#rv-panel-why');
  let analysis = null;
  let explained = null; // the segment that the tab is about
  let looking = false; // a seek from within the tab
  let drawn = null; // the segment that is drawn
  let curves = [];
  let failed = false;

  const nameOf = (segment) => markName(state.curves, segment);
  const same = (a, b) => nameOf(a) === nameOf(b) && ['start_s', 'end_s', 'score'].every((key) => a[key] === b[key]);

  function look(time) {
    looking = true;
    onSeek(time); // tells of the segment there before it returns
    looking = false;
  }

  function explain(segment) {
    explained = segment;
    show();
  }

  function offer() {
    const other = panel.querySelector('.rv-other');
    if (!other) return;
    const here = state.segment;
    other.hidden = !here || same(here, explained);
    other.textContent = here ? 'Explain ' + nameOf(here) + ', ' + clock(here.start_s, 1) + ', instead' : '';
  }

  function rest(message) {
    drawn = null;
    curves = [];
    const box = make('div', 'rv-rest-state');
    box.append(make('p', '', message));
    const best = strongest();
    const words = best && 'Go to the strongest: ' + nameOf(best) + ', ' + clock(best.peak_s, 1);
    if (best) box.append(button(words, 'rv-btn', () => onSeek(best.peak_s)));
    panel.replaceChildren(box);
  }

  async function show() {
    if (panel.hidden || !analysis) return;
    if (!explained) return rest('Select a segment to see why it was flagged: press N or P, or click one in the table.');
    if (drawn && same(drawn, explained)) return; // cut anew at another threshold, with the same edges
    const requested = (drawn = explained);
    const question = { analysis_id: analysis, start_s: requested.start_s, end_s: requested.end_s };
    failed = false;
    try {
      const facts = await request('why', question);
      if (drawn !== requested) return;
      draw(facts);
      const found = await request('neighbours', question);
      if (drawn === requested) drawNeighbours(found);
    } catch (error) {
      if (drawn !== requested) return;
      rest(wordsOf(error));
      failed = true;
    }
  }

  function draw(facts) {
    const { from_s, to_s, step_s } = facts;
    const mark = [explained.start_s, Math.min(explained.end_s, to_s)];
    const curve = (lines, low, high, label) => {
      const made = makeCurve({ lines, from_s, to_s, step_s, low, high, mark, label, onSeek: look, now });
      curves.push(made);
      return made.box;
    };
    curves = [];
    handOver(panel, panel);
    panel.replaceChildren(
      whyHead(explained, look),
      button('', 'rv-btn rv-small rv-other', () => explain(state.segment)),
      make('p', 'rv-part rv-headline', facts.headline),
      sharesPart(facts),
      ...runsPart(explained, look),
      classesPart(facts),
      saliencyPart(facts, curve),
      withoutPart(facts, curve),
      ...cuesPart(facts),
      nearPart(),
    );
    panel.scrollTop = 0;
    offer();
  }

  function drawNeighbours({ neighbours, n_clips, by }) {
    const clips = n_clips === 1 ? 'this clip' : n_clips + ' clips of this model';
    panel.querySelector('.rv-near-said').textContent = neighbours.length
      ? 'Nearest to the peak among the snippets of ' + clips + ', by cosine of the ' + by + '.'
      : 'Nothing else to compare with yet: open more clips.';
    const go = (n) => () => (n.here ? look(n.time_s) : onOpen(n));
    panel.querySelector('.rv-nearest').replaceChildren(...neighbours.map((n) => item(neighbourButton(n, go(n)))));
  }

  listen({
    opened(facts) {
      analysis = facts.analysis_id;
    },
    closed() {
      analysis = explained = drawn = null;
      curves = [];
      panel.replaceChildren();
    },
    selected(segment) {
      if (segment && !looking) explain(segment);
      else offer();
    },
    cut() {
      if (!drawn) show();
    },
    back() {
      if (!failed) return;
      drawn = null;
      show();
    },
    panel: show,
    moved(time) {
      if (!panel.hidden) for (const curve of curves) curve.move(time);
    },
  });
}
