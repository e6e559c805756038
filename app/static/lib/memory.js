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
