// Elements: found, made, and left without losing the keyboard.
import { address, element } from './host.js';

export const find = (selector) => element.querySelector(selector);

export function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text; // names and labels are untrusted: never innerHTML
  return made;
}

// The same text again would lay out the page again.
export function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

export function svg(name, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// `label`: what it does, where its text does not say it.
export function button(text, className, onPress, label = '') {
  const made = make('button', className, text);
  made.type = 'button';
  if (label) made.ariaLabel = made.title = label;
  made.addEventListener('click', onPress);
  return made;
}

export function item(...content) {
  const made = make('li');
  made.append(...content);
  return made;
}

// The frame of one moment of a video.
export function thumbnail(url, time_s) {
  const video = make('video');
  Object.assign(video, { muted: true, preload: 'metadata', tabIndex: -1, ariaHidden: 'true' });
  video.src = address(url) + '#t=' + time_s;
  return video;
}

// Frames that did not come while the server was away are requested anew.
export function reloadFrames() {
  for (const frame of element.querySelectorAll('img, video[aria-hidden]'))
    if (frame.error || (frame.complete && !frame.naturalWidth)) frame.setAttribute('src', frame.getAttribute('src'));
}

// The children of a box, in order. Those that stay are not touched: taking them out and in would lay them out anew.
export function lay(box, wanted) {
  const stays = new Set(wanted);
  for (const child of [...box.children]) if (!stays.has(child)) child.remove();
  let next = box.firstElementChild;
  for (const child of wanted)
    if (child === next) next = next.nextElementSibling;
    else box.insertBefore(child, next);
}

// What came of a file or a question, in a line that is red when it failed.
export function sayIn(line, text, failed = false) {
  line.textContent = text;
  line.classList.toggle(line.classList.contains('rv-exportsaid') ? 'rv-exportfailed' : 'rv-wrong', failed);
}

// A bar from 0 to 1; null: nobody knows how far it is, undefined: nothing is under way.
export function showShare(bar, share) {
  bar.classList.toggle('rv-unknown', share === null);
  if (share == null) bar.removeAttribute('aria-valuenow');
  else bar.setAttribute('aria-valuenow', Math.round(share * 100));
  bar.firstElementChild.style.width = share == null ? '' : share * 100 + '%';
}

// The keyboard is not lost when what has the focus disappears: it goes on at `next`.
export function handOver(gone, next) {
  if (gone.contains(document.activeElement)) next.focus({ preventScroll: true });
}

// For screen readers.
export const say = (text) => {
  find('.rv-live').textContent = text;
};

// The classes to choose from, after "any"; the chosen one stays even when nothing has it any more.
export function offerClasses(field, labels) {
  const names = [...new Set([...labels, field.value].filter(Boolean))].sort();
  const now = [...field.options].slice(1).map((option) => option.value);
  if (names.join('\n') === now.join('\n')) return;
  const chosen = field.value;
  field.replaceChildren(field.options[0], ...names.map((name) => new Option(name, name)));
  field.value = chosen;
}

// Files dropped on a part of the page that takes other files than videos.
export function takeDrops(box, className, onFile) {
  for (const kind of ['dragover', 'dragleave', 'drop'])
    box.addEventListener(kind, (event) => {
      event.preventDefault();
      event.stopPropagation(); // it is no video
      find('.rv').classList.remove('rv-dragging');
      box.classList.toggle(className, kind === 'dragover');
      if (kind === 'drop' && event.dataTransfer.files[0]) onFile(event.dataTransfer.files[0]);
    });
}

// A hidden file field behind a button.
export function takeChoice(opener, field, onFiles) {
  opener.addEventListener('click', () => field.click());
  field.addEventListener('change', () => {
    if (field.files.length) onFiles([...field.files]);
    field.value = '';
  });
}

// Colours may change with the theme.
export function onTheme(redraw) {
  new MutationObserver(redraw).observe(document.body, { attributes: true, attributeFilter: ['class'] });
}
export const colourOf = (box) => (name) =>
  getComputedStyle(box)
    .getPropertyValue('--rv-' + name)
    .trim();
