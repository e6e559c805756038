// What the lasso chose: its runs as buttons under the map, and those of this clip on the timeline.
import { button, find, make } from '../lib/dom.js';
import { clamp, clockSpan, plural } from '../lib/format.js';
import { listen } from '../state.js';
import { mapRuns } from './map_marks.js';
import { isMine } from './map_points.js';

export function makeMapChosen(map, { onGo, onClear }) {
  const box = find('.rv-map-chosen');
  const layer = find('.rv-lassoed');
  let runs = []; // of the clip on screen
  let view = [0, 1];

  function lay() {
    const share = (time) => clamp((time - view[0]) / (view[1] - view[0]), 0, 1) * 100;
    for (const [i, run] of runs.entries()) {
      const [from, to] = [share(run.from), share(run.to)];
      const { style } = layer.children[i];
      style.left = from + '%';
      style.width = Math.max(0, to - from) + '%';
      layer.children[i].hidden = to <= from;
    }
  }

  listen({
    viewed({ from, to }) {
      view = [from, to];
      lay();
    },
  });

  return () => {
    const { points, chosen } = map;
    const all = points && chosen ? mapRuns(points, chosen) : [];
    runs = all.filter((run) => isMine(points, run.points[0]));
    box.hidden = !all.length;
    layer.replaceChildren(...runs.map(() => make('span')));
    lay();
    const jumps = all.map((run) => {
      const name = runs.includes(run) ? '' : points.clips[run.clip].name + ' ';
      return button(name + clockSpan(run.from, run.to), 'rv-btn rv-small', () => onGo(run.points[0]));
    });
    const many = plural(chosen?.length ?? 0, 'snippet') + ' chosen';
    box.replaceChildren(make('span', '', many), button('Clear', 'rv-btn rv-small', onClear), ...jumps);
  };
}
