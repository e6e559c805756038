// @ts-check
// Numbers and times as the page says them. No DOM.

/** @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/** "01:02.50", with hours where there are some. @param {number} seconds @param {number} digits */
export function clock(seconds, digits = 2) {
  const unit = 10 ** digits;
  const ticks = Math.round(Math.max(0, seconds) * unit);
  const whole = Math.floor(ticks / unit);
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const hours = whole >= 3600 ? Math.floor(whole / 3600) + ':' : '';
  const rest = digits ? '.' + String(ticks % unit).padStart(digits, '0') : '';
  return hours + two(Math.floor(whole / 60) % 60) + ':' + two(whole % 60) + rest;
}

/** "29 Nov, 03:14:07", or as much as is told. @param {string} iso without a zone */
export function moment(iso) {
  const [day, time] = iso.split('T');
  const shown = new Date(day + 'T00:00').toLocaleDateString([], { day: 'numeric', month: 'short' });
  return time ? shown + ', ' + time : shown;
}

/** @param {number} from_s @param {number} to_s */
export const clockSpan = (from_s, to_s) => clock(from_s, 1) + ' – ' + clock(to_s, 1);

/** @param {number} value */
export const inSeconds = (value) => value.toFixed(1);

/** @param {number} value */
export const signed = (value) => value.toFixed(2).replace('-', '−');

/** A score on the curve: two digits, or three where a line lies between. @param {number} value */
export const level = (value) => value.toFixed(Math.abs(value * 100 - Math.round(value * 100)) < 1e-6 ? 2 : 3);

/** @param {number} share */
export const percent = (share) => Math.round(100 * share) + ' %';

/** @param {number} count @param {string} word */
export const plural = (count, word) => count + ' ' + word + (count === 1 ? '' : 's');

/** A time that is estimated: "about 12 min". @param {number} seconds */
export function about(seconds) {
  if (seconds < 50) return 'under a minute';
  return 'about ' + (seconds < 5400 ? Math.round(seconds / 60) + ' min' : (seconds / 3600).toFixed(1) + ' h');
}
