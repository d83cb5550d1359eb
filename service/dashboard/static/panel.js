// A part of a page that asks for its facts once it is seen, and again when they may have changed.

import { byId, setText, show } from "./dom.js";

const GAP_MS = 2000;
const RETRY_MS = 4000;

// The section `id` holds a `.wait` with a word of what is to come, and a `.body`.
//
// `keyOf(data)`: what the facts hang on, or null while there are none; `load(data)`: fetches them;
// `draw(facts, data)`: draws them, and returns false where there is nothing to show. Returns
// `update(data)` for whenever the page knows more; `update.redraw()` draws the same facts again, and
// `update.again()` looks whether they are still those.
export function panel(id, { keyOf, load, draw }) {
  const section = byId(id);
  const wait = section.querySelector(".wait");
  const body = section.querySelector(".body");
  const promise = wait.textContent;
  let seen = false;
  let busy = false;
  let drawnFor = null;
  let data = null;
  let facts = null;

  async function fetchAndDraw(key) {
    busy = true;
    if (facts === null) setText(wait, "Loading…");
    let pause = GAP_MS;
    try {
      facts = await load(data);
      drawnFor = key;
      redraw();
    } catch (error) {
      pause = RETRY_MS;
      if (facts === null) setText(wait, `This could not be loaded: ${error.message}. Trying again…`);
    }
    setTimeout(() => {
      busy = false;
      update(data);
    }, pause);
  }

  function redraw() {
    if (facts === null) return;
    show(body, true);
    const drawn = draw(facts, data) !== false;
    show(body, drawn);
    show(wait, !drawn);
    if (!drawn) setText(wait, promise);
  }

  function update(latest) {
    data = latest;
    if (!seen || busy || data === null) return;
    const key = keyOf(data);
    if (key !== null && key !== drawnFor) fetchAndDraw(key);
  }

  new IntersectionObserver((entries) => {
    seen = entries.at(-1).isIntersecting;
    update(data);
  }, { rootMargin: "200px" }).observe(section);
  update.redraw = redraw;
  update.again = () => update(data);
  return update;
}

// A key that changes with every fifth trial at first, and more seldom as there are more.
export function growth(data) {
  const count = data.trials.size;
  if (count === 0) return null;
  const step = Math.max(5, 2 ** Math.floor(Math.log2(count) - 3));
  return `${Math.floor(count / step)} ${data.job.state}`;
}
