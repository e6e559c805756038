// How the picture is shown: brighter, with more contrast, larger. For the eyes alone, and marked while it is on. The
// browser remembers it; the zoom only for the clip it was made on, for what lies outside of it is not seen.
import { find, say } from '../lib/dom.js';
import { clamp, percent } from '../lib/format.js';
import { recall, remember } from '../lib/memory.js';
import { listen, state } from '../state.js';
import { onWheel, wheelFactor } from '../timeline/wheel.js';

const KEY = 'cmhkf-picture';
const DRAG_PX = 3; // a press that moves less is a click
const ORIGINAL = { brightness: 1, contrast: 1, zoom: 1, x: 0, y: 0 }; // x, y: how far it is moved, in widths and heights

function remembered() {
  try {
    const kept = JSON.parse(recall(KEY) ?? '{}');
    const numbers = Object.keys(ORIGINAL).filter((name) => Number.isFinite(kept[name]));
    return { ...ORIGINAL, ...Object.fromEntries(numbers.map((name) => [name, kept[name]])), clip: kept.clip };
  } catch {
    return { ...ORIGINAL };
  }
}

export function makePicture(video) {
  const screen = find('.rv-screen');
  const panel = find('.rv-picture');
  const opener = find('[data-do="picture"]');
  const mark = find('.rv-viewonly');
  const ranges = [...panel.querySelectorAll('input')];
  const look = remembered();

  const words = { brightness: percent, contrast: percent, zoom: (value) => value.toFixed(1) + '×' };
  const changed = () => Object.keys(words).filter((name) => look[name] !== ORIGINAL[name]);

  function set(values) {
    Object.assign(look, values);
    for (const { name, min, max } of ranges) look[name] = clamp(look[name], Number(min), Number(max));
    const room = (look.zoom - 1) / 2; // the picture is never moved off its edge
    look.x = clamp(look.x, -room, room);
    look.y = clamp(look.y, -room, room);
    const { brightness, contrast, zoom, x, y } = look;
    video.style.filter = brightness === 1 && contrast === 1 ? '' : `brightness(${brightness}) contrast(${contrast})`;
    video.style.transform = zoom === 1 ? '' : `translate(${100 * x}%, ${100 * y}%) scale(${zoom})`;
    screen.classList.toggle('rv-zoomed', zoom > 1);
    for (const range of ranges) {
      range.value = String(look[range.name]);
      range.nextElementSibling.textContent = words[range.name](look[range.name]);
    }
    const told = changed().map((name) => name + ' ' + words[name](look[name]));
    mark.hidden = !told.length;
    mark.firstElementChild.textContent = 'View only: ' + told.join(', ') + '. The model saw the original.';
    remember(KEY, JSON.stringify({ ...look, clip: state.clip ?? look.clip }));
  }

  // `around`: the place that stays where it is, in widths and heights from the middle.
  function zoomTo(zoom, around = { x: 0, y: 0 }) {
    const before = look.zoom;
    const next = clamp(zoom, 1, 8);
    const moved = (name) => around[name] - ((around[name] - look[name]) * next) / before;
    set({ zoom: next, x: moved('x'), y: moved('y') });
  }

  const step = (name, by) => () => {
    if (name === 'zoom') zoomTo(look.zoom + by);
    else set({ [name]: look[name] + by });
    say(name + ' ' + words[name](look[name]));
  };
  const reset = () => {
    set(ORIGINAL);
    say('The picture is shown as it is');
  };

  function show(open = panel.hidden) {
    if (!open && panel.contains(document.activeElement)) opener.focus();
    panel.hidden = !open;
    opener.ariaExpanded = String(open);
    if (open) ranges[0].focus();
  }

  panel.addEventListener('input', (event) => {
    const { name, value } = event.target;
    if (name === 'zoom') zoomTo(Number(value));
    else set({ [name]: Number(value) });
  });
  panel.addEventListener('submit', (event) => event.preventDefault());
  panel.addEventListener('reset', (event) => {
    event.preventDefault();
    reset();
  });
  mark.querySelector('button').addEventListener('click', () => {
    reset();
    opener.focus(); // the button goes
  });

  const place = (event) => {
    const box = screen.getBoundingClientRect();
    return { x: (event.clientX - box.x) / box.width - 0.5, y: (event.clientY - box.y) / box.height - 0.5 };
  };
  onWheel(screen, (_deltaX, deltaY, event) => {
    if (!event.ctrlKey) return false; // the page scrolls
    zoomTo(Math.round(10 * look.zoom * wheelFactor(-deltaY)) / 10, place(event));
    return true;
  });

  let hold = null; // where a zoomed picture was taken hold of
  let dragged = false;
  video.addEventListener('pointerdown', (event) => {
    dragged = false;
    if (look.zoom === 1 || event.button !== 0) return;
    hold = { at: place(event), from: { x: look.x, y: look.y }, px: [event.clientX, event.clientY] };
    video.setPointerCapture(event.pointerId);
  });
  video.addEventListener('pointermove', (event) => {
    if (!hold) return;
    dragged ||= Math.hypot(event.clientX - hold.px[0], event.clientY - hold.px[1]) >= DRAG_PX;
    const { x, y } = place(event);
    if (dragged) set({ x: hold.from.x + x - hold.at.x, y: hold.from.y + y - hold.at.y });
  });
  for (const kind of ['pointerup', 'pointercancel'])
    video.addEventListener(kind, () => {
      hold = null;
    });
  // A drag is no press on Play.
  screen.addEventListener('click', (event) => dragged && event.target === video && event.stopPropagation(), true);

  listen({
    closed() {
      if (!state.clip || state.clip === look.clip) return set({});
      look.clip = state.clip;
      set({ zoom: 1 });
    },
  });
  set({});

  return {
    close: () => show(false),
    actions: {
      picture: () => show(),
      original: reset,
      brighter: step('brightness', 0.25),
      darker: step('brightness', -0.25),
      contrastUp: step('contrast', 0.25),
      contrastDown: step('contrast', -0.25),
      larger: step('zoom', 0.5),
      smaller: step('zoom', -0.5),
    },
  };
}
