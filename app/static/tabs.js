// The tabs beside the video: one panel shown at a time, arrows move between the tabs.
function makeTabs() {
  const tabs = [...element.querySelectorAll('.rv-tabs [role=tab]')];
  const shown = () => tabs.find((tab) => tab.getAttribute('aria-selected') === 'true').id.replace('rv-tab-', '');

  function show(name) {
    for (const tab of tabs) {
      const mine = tab.id === 'rv-tab-' + name;
      tab.setAttribute('aria-selected', String(mine));
      tab.tabIndex = mine ? 0 : -1;
      find('#' + tab.getAttribute('aria-controls')).hidden = !mine;
    }
    tell('panel', name);
  }

  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener('click', () => show(tab.id.replace('rv-tab-', '')));
    tab.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(i + step + tabs.length) % tabs.length];
      next.focus();
      next.click();
      event.preventDefault();
      event.stopPropagation();
    });
  }
  return { show, shown };
}
