// A segment's classes over time in a line: "fighting 00:03–00:12 → explosion 00:12–00:20". A press goes there.
import { button, make } from '../lib/dom.js';
import { clock, clockSpan } from '../lib/format.js';

export function runsLine(runs, onSeek, tabIndex = 0) {
  const line = make('small', 'rv-runs');
  for (const { label, start_s, end_s } of runs) {
    const made = button(label + ' ' + clock(start_s, 0) + '–' + clock(end_s, 0), 'rv-link', (event) => {
      event.stopPropagation(); // it is not the whole row that was chosen
      onSeek(start_s);
    });
    made.title = clockSpan(start_s, end_s);
    made.tabIndex = tabIndex;
    line.append(made, ' ');
  }
  return line;
}
