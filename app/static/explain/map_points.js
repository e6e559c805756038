// The points of the map under pointer and keys. `map` is { points, shown, chosen }: the server's points, those in view,
// and those in the lasso or null.
import { find } from '../lib/dom.js';
import { clamp } from '../lib/format.js';
import { isShown } from '../lib/tabs.js';
import { listen, state } from '../state.js';
import { makeMapCard } from './map_card.js';
import { pointWords } from './map_marks.js';

const POINT_STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10 };

const clipOf = (points, i) => points.clips[points.clip[i]];
export const isMine = (points, i) => clipOf(points, i).analysis_id === state.analysis; // of the clip on screen

export function makeMapPoints(map, { plot, video, onSeek, onOpen, now }) {
  const field = find('.rv-map-field');
  const card = makeMapCard(video);
  let at = null; // the point of the keyboard and of the card

  const words = (i) => pointWords(map.points, i, isMine(map.points, i));

  // For screen readers.
  function tell() {
    const { shown } = map;
    const place = at === null ? 0 : Math.max(0, shown.indexOf(at));
    field.setAttribute('aria-valuemax', Math.max(0, shown.length - 1));
    field.setAttribute('aria-valuenow', place);
    field.setAttribute('aria-valuetext', shown.length ? words(shown[place]) : 'none');
  }

  function show(i, panel = 0) {
    at = i;
    if (i === null) return card.hide();
    tell();
    card.show(words(i), plot().spot(i, panel), clipOf(map.points, i).analysis_id, map.points.time_s[i]);
  }

  function go(i) {
    const time_s = map.points.time_s[i];
    if (isMine(map.points, i)) onSeek(time_s);
    else onOpen({ analysis_id: clipOf(map.points, i).analysis_id, time_s });
  }

  // A ring round the snippet that plays.
  function ring(time) {
    const { points, shown } = map;
    const begun = (i) => isMine(points, i) && points.time_s[i] - clipOf(points, i).snippet_s / 2 <= time + 1e-6;
    plot().ring(points && isShown('map') ? shown.findLast(begun) : undefined);
  }

  field.addEventListener('keydown', (event) => {
    const { points, shown } = map;
    if (!points || !shown.length) return;
    const next = shown.findIndex((i) => isMine(points, i) && points.time_s[i] >= now());
    const step = POINT_STEPS[event.key];
    if (step) show(shown[at === null ? Math.max(0, next) : clamp(shown.indexOf(at) + step, 0, shown.length - 1)]);
    else if (event.key === 'Home') show(shown[0]);
    else if (event.key === 'End') show(shown.at(-1));
    else if (event.key === 'Enter' && at !== null) go(at);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  field.addEventListener('blur', () => show(null));
  listen({ moved: ring, closed: () => show(null) });

  return {
    show,
    go,
    drawn() {
      ring(now());
      if (at === null) tell();
    },
  };
}
