// What this browser remembers of its user; storage may be forbidden, and then nothing is remembered.
export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // only comfort is lost
  }
}

// A tick box that stays as it was left; `usual`: how it is at first.
export function keepChoice(box, key, usual) {
  box.checked = (recall(key) ?? usual) === 'yes';
  box.addEventListener('change', () => {
    remember(key, box.checked ? 'yes' : 'no');
    box.blur(); // keys are off in a field
  });
}
