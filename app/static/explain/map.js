// The Map tab: snippets as points, before the model beside after it. Hover shows the frame, a click goes there, a
// lasso chooses. The server places the points in the background; the ready map is a small file.
import { colourOf, find, item, make, onTheme } from '../lib/dom.js';
import { wordsOf } from '../lib/faults.js';
import { fetchFile } from '../lib/server.js';
import { isShown } from '../lib/tabs.js';
import { listen, state } from '../state.js';
import { makeMapChosen } from './map_chosen.js';
import { placeSnippets } from './map_load.js';
import { MAP_SHAPES, mapKinds, mapNote } from './map_marks.js';
import { makeMapPlot } from './map_plot.js';
import { isMine, makeMapPoints } from './map_points.js';

// What the marks stand for.
function writeKey(kinds, trained) {
  const entry = ([, words, hue, shape]) => {
    const sign = make('b', '', MAP_SHAPES[shape][1]);
    sign.style.color = 'var(--rv-' + hue + ')';
    sign.ariaHidden = 'true';
    return item(sign, words);
  };
  const scale = item('0', make('i'), '1 ' + (trained ? 'anomaly score' : 'untrained score'));
  scale.className = 'rv-map-scale';
  find('.rv-map-key').replaceChildren(...(kinds ? kinds.key.map(entry) : [scale]));
}

export function makeMap({ video, onSeek, onOpen, now }) {
  const box = find('.rv-map');
  const tools = find('.rv-map-tools');
  const note = find('.rv-map-note');
  const field = find('.rv-map-field');
  const wide = tools.querySelector('button');
  const map = { points: null, shown: [], chosen: null };
  let facts = null; // of the analysis on screen
  let truth = null;
  let marks = null;
  let visit = 0;
  let stale = true;

  const colour = colourOf(box);
  const setting = (name) => tools.elements[name].value;
  const points = makeMapPoints(map, { plot: () => plot, video, onSeek, onOpen, now });
  const plot = makeMapPlot(map, { onHover: points.show, onClick: points.go, onLasso: pick });
  const showChosen = makeMapChosen(map, { onGo: points.go, onClear: () => pick(null) });

  function offer() {
    const absent = { truth: !truth, decision: !marks?.some((m) => m.state !== 'open') };
    const choice = tools.elements.colouring;
    for (const option of choice.options) option.hidden = option.disabled = absent[option.value] ?? false;
    if (choice.selectedOptions[0]?.disabled) choice.value = 'class';
  }
  const spread = (on) => {
    find('.rv').classList.toggle('rv-map-wide', on);
    wide.ariaPressed = String(on);
  };

  async function load() {
    stale = false;
    const mine = ++visit;
    if (!facts) return;
    const scope = setting('scope') === 'library' ? 'library' : 'clip';
    map.points = null;
    pick(null);
    draw();
    note.textContent = '';
    try {
      const question = { analysis_id: facts.analysis_id, method: setting('method'), scope };
      const url = await placeSnippets(question, { wanted: () => mine === visit, onCancelled });
      if (!url) return;
      const answer = await (await fetchFile(url, 'The map is not there; choose it again')).json();
      if (mine !== visit) return;
      map.points = answer;
      draw();
    } catch (error) {
      if (mine === visit) note.textContent = wordsOf(error);
    }
  }

  function onCancelled() {
    stale = true;
    note.textContent = 'Cancelled. Choose how to place the snippets to begin again.';
  }

  let drawing = Promise.resolve();
  function draw() {
    drawing = drawing.then(paint).catch((error) => {
      note.textContent = wordsOf(error);
    });
  }
  async function paint() {
    box.classList.toggle('rv-map-empty', !map.points);
    showChosen();
    if (!map.points || !isShown('map') || !field.clientWidth) return;
    offer();
    const { clip, time_s } = map.points;
    const all = clip.map((_, i) => i);
    const mine = all.map((i) => isMine(map.points, i));
    const { segment } = state;
    const bySegment = setting('scope') === 'segment';
    const inHere = (i) => mine[i] && time_s[i] >= segment.start_s && time_s[i] < segment.end_s;
    map.shown = bySegment && segment ? all.filter(inHere) : all;
    const colouring = setting('colouring');
    const kinds = colouring === 'score' ? null : mapKinds(map.points, colouring, { truth, marks, mine });
    const where = segment ? 'Positions are those of the whole clip.' : 'No segment here: the whole clip is shown.';
    note.textContent = mapNote(map.points, bySegment ? where : '');
    writeKey(kinds, facts.trained);
    await plot.draw(kinds, colour);
    if (map.points) points.drawn();
  }

  function pick(list) {
    if (!list?.length && !map.chosen) return;
    map.chosen = list?.length ? [...new Set(list)] : null;
    plot.showChosen();
    showChosen();
  }

  // Whether the points on screen are not those of the clips that are requested.
  const needsOther = () => {
    const clips = map.points.clips;
    return (clips.length > 1 || clips[0].analysis_id !== facts.analysis_id) !== (setting('scope') === 'library');
  };
  tools.addEventListener('submit', (event) => event.preventDefault());
  tools.addEventListener('change', ({ target: { name } }) => {
    if (name === 'method' || (name === 'scope' && (!map.points || needsOther()))) load();
    else draw();
  });
  wide.addEventListener('click', () => spread(wide.ariaPressed !== 'true'));
  new ResizeObserver(draw).observe(field);
  onTheme(draw);
  offer();

  listen({
    opened(opened) {
      facts = opened;
      stale = true;
      if (isShown('map')) load();
    },
    closed() {
      facts = map.points = truth = marks = null;
      pick(null);
      visit++;
      find('.rv-map-work').hidden = true;
      note.textContent = '';
      offer();
    },
    panel(name) {
      if (name !== 'map') spread(false);
      else if (stale) load();
      else draw();
    },
    back() {
      if (isShown('map') && !map.points) load();
    },
    selected() {
      if (setting('scope') === 'segment') draw();
    },
    truth(spans) {
      truth = spans.length ? spans : null;
      offer();
      if (setting('colouring') === 'truth') draw();
    },
    reviewed(answer) {
      marks = answer.marks;
      offer();
      if (setting('colouring') === 'decision') draw();
    },
  });
}
