// What a reel shows, as the dialog of exports asks for it: which segments, how much around them, how long in all.
import { find } from '../lib/dom.js';
import { state } from '../state.js';

export function makeReelChoice() {
  const group = find('.rv-reel');
  const [which, most, context, titles] = group.querySelectorAll('select, input');
  const options = Object.fromEntries([...which.options].map((option) => [option.value, option]));

  return {
    // `ofAll`: 'reel' where it is about the library, in which no segment is selected and no clip is the one; 'events'
    // where what it shows was chosen already.
    show(wanted, ofAll) {
      group.hidden = !wanted;
      which.parentElement.hidden = ofAll === 'events';
      options.whole.hidden = options.whole.disabled = ofAll;
      options.selected.hidden = ofAll;
      options.selected.disabled = ofAll || !state.segment;
      if (which.selectedOptions[0]?.disabled ?? true) which.value = 'confirmed';
      for (const field of [most, context]) field.disabled = !wanted; // what is not seen cannot be wrong
    },

    wanted() {
      const selected = which.value === 'selected' ? [state.segment] : [];
      return {
        which: which.value,
        titles: titles.checked,
        context_s: context.valueAsNumber,
        most_s: most.valueAsNumber * 60,
        clips: selected.map(() => state.clip),
        starts_s: selected.map((segment) => segment.start_s),
        ends_s: selected.map((segment) => segment.end_s),
      };
    },
  };
}
