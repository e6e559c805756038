// What made the result on screen, and what of the footage it does not stand for.
import { button, find, make } from '../lib/dom.js';
import { inSeconds, plural } from '../lib/format.js';
import { UNKNOWN, unseenFacts, unseenReasons, unseenWords } from '../lib/unseen.js';
import { listen, state } from '../state.js';

const OTHER_FOOTAGE = '. A budget of alarms, above the segments, is set on other footage, which it names.';

export function makeTrust({ onAnalyse, onQuality }) {
  const strip = find('.rv-trust');
  const unseenLine = find('.rv-unseen');
  let shown = null; // the facts in the strip

  function rowsOf(facts) {
    const rows = [
      ['Model', facts.model_id],
      ['Head', facts.trained ? 'trained' : 'NOT TRAINED'],
      ['Encoders', facts.encoders],
      ['Score', facts.score_source],
      ['Modalities', [...facts.modalities].map((m) => ({ V: 'video', A: 'audio', T: 'text' })[m] ?? m).join(' + ')],
      ['Snippets', facts.n_snippets + ' in ' + plural(facts.n_windows, 'window')],
      ['Device', facts.device],
      ['Took', facts.elapsed_s.toFixed(1) + ' s'],
      ['Recipe', facts.recipe_hash],
    ];
    const { known, spans, unheard, total_s, seen_s } = unseenFacts(facts);
    const lost = inSeconds(total_s - seen_s) + ' of ' + inSeconds(total_s) + ' s: ';
    if (facts.caution) rows.push(['Caution', facts.caution]);
    if (!known) rows.push(['Not seen', UNKNOWN]);
    if (spans.length) rows.push(['Not seen', lost + unseenReasons(spans)]);
    if (unheard.length) rows.push(['Not heard', unseenReasons(unheard)]);
    if (facts.calibration) rows.push(['Threshold calibration', facts.calibration + OTHER_FOOTAGE]);
    return rows;
  }

  function show() {
    if (!shown) return strip.replaceChildren();
    const { model_id } = state.status; // the page's model, which may be another than the analysis was made by
    strip.replaceChildren(
      ...rowsOf(shown).map(([name, value]) => {
        const warns = name === 'Caution' || name.startsWith('Not ') || (name === 'Head' && !shown.trained);
        const row = make('div', warns ? 'rv-warn' : '');
        row.append(make('dt', '', name), make('dd', '', value));
        const offer = (text, onPress) => {
          const held = make('dd');
          held.append(button(text, 'rv-link', onPress));
          row.append(held);
        };
        if (name === 'Model' && model_id && model_id !== shown.model_id) offer('Analyse with ' + model_id, onAnalyse);
        if (name === 'Head') offer('How good is this?', () => onQuality(shown.model_id));
        if (value === UNKNOWN) offer('Analyse again', onAnalyse);
        return row;
      }),
    );
  }

  let model = null;
  listen({
    analysed(facts) {
      shown = facts;
      show();
    },
    opened(facts) {
      unseenLine.textContent = unseenWords(unseenFacts(facts));
      unseenLine.hidden = !unseenLine.textContent;
    },
    closed() {
      shown = null;
      show();
      unseenLine.hidden = true;
    },
    status({ model_id }) {
      if (model_id !== model) show();
      model = model_id;
    },
  });
}
