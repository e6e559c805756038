// Which events are selected: some by their keys, or the whole list without some.
export function makeChosen({ pages, onChange }) {
  let keys = new Set();
  let all = false; // then `keys` are those left out
  let anchor = -1;

  const has = (key) => keys.has(key) !== all;
  const size = () => (all ? pages.total() - keys.size : keys.size);
  function clear() {
    if (!size() && !all) return;
    keys = new Set();
    all = false;
    onChange();
  }
  return {
    has,
    // Answers as `has` does now, whatever is selected later.
    now() {
      const [kept, others] = [keys, all];
      return (key) => kept.has(key) !== others;
    },
    size,
    clear,
    toggle(key, index) {
      if (keys.has(key)) keys.delete(key);
      else keys.add(key);
      anchor = index;
      onChange();
    },
    all() {
      keys = new Set();
      all = true;
      onChange();
    },
    // From where the selection began to here.
    async reach(from, to) {
      if (anchor < 0 || !size()) anchor = from;
      const [low, high] = anchor < to ? [anchor, to] : [to, anchor];
      await pages.load(low, high);
      keys = new Set(pages.loadedBetween(low, high).map((event) => event.key));
      all = false;
      onChange();
    },
    // As a decision names them.
    named: () => (all ? { ...pages.asked(), except: [...keys] } : { events: [...keys] }),
  };
}
