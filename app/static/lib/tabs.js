// The tabs beside the video: one panel shown at a time, arrows move between the tabs.
import { tell } from '../state.js';
import { find } from './dom.js';
import { element } from './host.js';

const nameOf = (tab) => tab.id.replace('rv-tab-', '');
const tabs = () => [...element.querySelectorAll('.rv-tabs [role=tab]')];
const panelOf = (name) => find('#rv-panel-' + name);
export const isShown = (name) => !panelOf(name).hidden;

export function showTab(name) {
  for (const tab of tabs()) {
    const mine = nameOf(tab) === name;
    tab.setAttribute('aria-selected', String(mine));
    tab.tabIndex = mine ? 0 : -1;
    panelOf(nameOf(tab)).hidden = !mine;
  }
  tell('panel', name);
}

// Only these can be chosen for now, or all again; the one that was shown before comes back.
let before = '';
export function offerTabs(names) {
  const mayBe = (tab) => !names || names.includes(nameOf(tab));
  const shown = tabs().find((tab) => tab.ariaSelected === 'true');
  for (const tab of tabs()) {
    tab.disabled = !mayBe(tab);
    tab.title = tab.disabled ? 'When the whole clip is read' : '';
  }
  if (!mayBe(shown)) {
    before = nameOf(shown);
    showTab(names[0]);
  } else if (!names && before) {
    const name = before;
    before = '';
    showTab(name);
  }
}

export function bindTabs() {
  for (const [i, tab] of tabs().entries()) {
    tab.addEventListener('click', () => showTab(nameOf(tab)));
    tab.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs()[(i + step + tabs().length) % tabs().length];
      next.focus();
      next.click();
      event.preventDefault();
      event.stopPropagation();
    });
  }
}
