// The drawing library, fetched when the map is first shown.
import { Told } from '../lib/faults.js';
import { address, props } from '../lib/host.js';

let ready = null;
export function loadPlotly() {
  // Gradio's <base href="./"> changes no address, but makes Plotly tie its clip paths and patterns to the address of
  // the moment, which the page then rewrites as the user moves: they would be lost.
  document.querySelector('base')?.remove();
  ready ??= new Promise((done, fail) => {
    const script = document.createElement('script');
    script.src = address(props.plotly_js);
    script.onload = () => done(window.Plotly);
    script.onerror = () => {
      ready = null;
      fail(new Told('The drawing library could not be loaded; reload the page.'));
    };
    document.head.append(script);
  });
  return ready;
}
