// What the page requests of the server, and the files it fetches and brings. Every failure becomes words for people.
import { Told } from './faults.js';
import { address, server } from './host.js';

const NO_ANSWER = 'The server does not answer. Is it still running?';

export async function request(name, data = {}) {
  const answer = await server[name](data).catch(() => undefined);
  if (answer === undefined) throw new Told(NO_ANSWER, true);
  if (answer.error && !('state' in answer) && !('model' in answer)) throw new Told(answer.error, answer.busy);
  return answer;
}

// A request that is sent although the page is being left, from the event `pagehide`; nobody hears the answer.
export function requestLeaving(name, data) {
  const { fetch } = window;
  window.fetch = (url, options) => fetch(url, { ...options, keepalive: true }); // Gradio's client calls it at once
  server[name](data).catch(() => {});
  window.fetch = fetch;
}

// A file that Python made. `missing` begins what is said when it is not there.
export async function fetchFile(url, missing) {
  const response = await fetch(address(url)).catch(() => {
    throw new Told(NO_ANSWER, true);
  });
  if (!response.ok) throw new Told(missing + ' (' + response.status + ')');
  return response;
}

// Gradio's own upload address; XMLHttpRequest because fetch tells nothing of an upload's progress. Answers with where
// the server put the file; `onStart` is given a function that stops it.
export function uploadFile(file, { onShare = () => {}, onStart = () => {} } = {}) {
  const answer = new Promise((done, fail) => {
    const sending = new XMLHttpRequest();
    const form = new FormData();
    form.append('files', file, file.name);
    sending.upload.addEventListener('progress', (event) => onShare(event.total ? event.loaded / event.total : 0));
    sending.addEventListener('load', () => {
      if (sending.status === 200) return done(sending.responseText);
      const tooLarge = 'The file is larger than this server accepts.';
      fail(new Told(sending.status === 413 ? tooLarge : 'The upload failed (' + sending.status + ').'));
    });
    sending.addEventListener('error', () => fail(new Told('The upload failed: the server does not answer.', true)));
    sending.addEventListener('abort', () => fail(new Told('The upload was cancelled.')));
    onStart(() => sending.abort());
    sending.open('POST', address('gradio_api/upload'));
    sending.send(form);
  });
  return answer.then((text) => JSON.parse(text)[0]);
}
