// What Gradio gives the page: the element it stands in, its properties, and the server's functions.
export let element, props, server;
export function connect(given) {
  ({ element, props, server } = given);
}

// Every address is relative to the page, so that it works under a sub-path.
export const address = (url) => new URL(url, document.baseURI).href;
