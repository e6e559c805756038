// A field takes every key that is pressed, so the mouse leaves none with the focus that nobody is to write in.
import { element } from './host.js';

/** Where the focus goes when the button goes that was pressed; after a click the keys are the page's again.
 * @param {MouseEvent} press @param {HTMLElement} next */
export function focusAfter(press, next) {
  const byMouse = press.detail > 0;
  if (!byMouse) next.focus();
}

/** Lists give the keys back when something was chosen with the mouse. */
export function releaseLists() {
  let opened = null; // the list that the mouse was on last, until a key is pressed
  element.addEventListener('pointerdown', ({ target }) => (opened = target.closest('select')));
  element.addEventListener('keydown', () => (opened = null), true);
  element.addEventListener('change', ({ target }) => target === opened && target.blur());
}
