// Small frames of a clip, on sheets that the server made: one of each snippet, and coarser levels for the whole.
// `film` are the facts of film.json, `url` is where its sheets are.
import { clamp } from '../lib/format.js';
import { address } from '../lib/host.js';

export function makeFilmstrip(film, url, onSheet) {
  const sheets = new Map(); // address to image
  const { columns, sheet_pictures, width_px, height_px, snippet_s, levels } = film;

  // The address and place of frame k of a level.
  function locate(detail, k) {
    const inSheet = k % sheet_pictures;
    return {
      url: url + '/' + detail + '-' + Math.floor(k / sheet_pictures) + '.jpg',
      x: (inSheet % columns) * width_px,
      y: Math.floor(inSheet / columns) * height_px,
    };
  }

  function sheetAt(place) {
    let image = sheets.get(place);
    if (!image) {
      image = new Image();
      image.onload = onSheet;
      image.src = address(place);
      sheets.set(place, image);
    }
    return image.complete && image.naturalWidth ? image : null;
  }

  const nearest = (detail, time) => {
    const { stride, pictures } = levels[detail];
    return clamp(Math.floor(time / snippet_s / stride), 0, pictures - 1);
  };

  // The frame at a time; one of a coarser level while its own sheet is under way.
  function drawn(detail, time) {
    for (let d = detail; d < levels.length; d++) {
      const place = locate(d, nearest(d, time));
      const image = sheetAt(place.url);
      if (image) return { image, source: { ...place, width: width_px, height: height_px } };
    }
    return null;
  }

  // What to draw along the strip: frames as wide as their shape wants, each at the middle of the time it stands for.
  function strip(view, width, height) {
    const each = Math.round((height * width_px) / height_px) + 1;
    const perPx = (view[1] - view[0]) / width;
    const detail = Math.max(0, levels.findLastIndex((l) => l.stride * snippet_s <= each * perPx)); // prettier-ignore
    const unit_s = levels[detail].stride * snippet_s;
    const slot_s = Math.max(1, Math.round((each * perPx) / unit_s)) * unit_s; // whole frames: nothing shimmers
    const made = [];
    for (let i = Math.floor(view[0] / slot_s); i * slot_s < view[1]; i++) {
      const still = drawn(detail, (i + 0.5) * slot_s);
      if (still) made.push({ ...still, left: (i * slot_s - view[0]) / perPx, room: slot_s / perPx, width: each - 1 });
    }
    return made;
  }

  // The small frame nearest to a time: `Object.assign(box.style, frameAt(12.5, 54).style)` shows it.
  function frameAt(time, heightPx) {
    const k = nearest(0, time);
    const place = locate(0, k);
    const scale = heightPx / height_px;
    return {
      time_s: (k * levels[0].stride + 0.5) * snippet_s,
      style: {
        width: width_px * scale + 'px',
        height: heightPx + 'px',
        backgroundImage: 'url("' + address(place.url) + '")',
        backgroundSize: columns * width_px * scale + 'px auto',
        backgroundPosition: -place.x * scale + 'px ' + -place.y * scale + 'px',
      },
    };
  }

  // Sheets that did not come while the server was away are requested anew.
  function reload() {
    for (const image of sheets.values()) if (image.complete && !image.naturalWidth) image.src += '';
  }

  return { strip, frameAt, reload };
}
