// The plot of the map: drawn by Plotly, with rings round the snippet that plays. `map` is { points, shown, chosen }:
// the server's points, those in view, and those in the lasso or null.
import { find } from '../lib/dom.js';
import { mapPlot, panelsOf } from './map_marks.js';
import { loadPlotly } from './plotly.js';

export function makeMapPlot(map, { onHover, onClick, onLasso }) {
  const field = find('.rv-map-field');
  const plot = find('.rv-map-plot');
  const rings = [...field.querySelectorAll('.rv-map-here')];
  let listening = false;

  const placesOf = (some) => some && some.map((i) => map.shown.indexOf(i)).filter((place) => place >= 0);

  async function draw(kinds, colour) {
    const plotly = await loadPlotly();
    if (!map.points) return;
    const size = { width: field.clientWidth, height: field.clientHeight };
    const { data, layout } = mapPlot(map.points, map.shown, { kinds, chosen: placesOf(map.chosen), colour, ...size });
    await plotly.react(plot, data, layout, { displayModeBar: false, doubleClick: false });
    watch();
  }

  function watch() {
    if (listening) return;
    listening = true;
    const first = (event) => [map.shown[event.points[0].pointNumber], event.points[0].curveNumber];
    plot.on('plotly_hover', (event) => onHover(...first(event)));
    plot.on('plotly_unhover', () => onHover(null));
    plot.on('plotly_click', (event) => onClick(first(event)[0]));
    // Only a loop that was drawn: clicks, and the removal of the loop, say "selected" too.
    plot.on('plotly_selected', (event) => {
      if (event?.lassoPoints && event.points?.length) onLasso(event.points.map((p) => map.shown[p.pointNumber]));
    });
  }

  function showChosen() {
    if (!map.points || !plot.data) return;
    window.Plotly.restyle(plot, { selectedpoints: [placesOf(map.chosen)] });
    window.Plotly.relayout(plot, { selections: [] }); // the drawn loop goes; what it chose stays
  }

  // Where a point lies on a panel, px from the field's corner.
  function spot(i, panel) {
    const { _fullLayout: laid } = plot;
    const [x, y] = [laid['xaxis' + (panel ? '2' : '')], laid['yaxis' + (panel ? '2' : '')]];
    const set = map.points[panelsOf(map.points)[panel]];
    return [x._offset + x.l2p(set.x[i]), y._offset + y.l2p(set.y[i])];
  }

  // Plain elements, so that playback never redraws the plot.
  function ring(i) {
    const drawn = i !== undefined && plot._fullLayout?.xaxis;
    for (const [n, made] of rings.entries()) {
      made.hidden = !drawn || n >= panelsOf(map.points).length;
      if (made.hidden) continue;
      const [x, y] = spot(i, n);
      made.style.transform = 'translate(' + x + 'px,' + y + 'px)';
    }
  }

  return { draw, showChosen, spot, ring };
}
