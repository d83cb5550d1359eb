// Elements from plain values. Text becomes text nodes, so nothing that a server sent is ever markup.

export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Writing the same text again would make screen readers repeat it.
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export function show(target, visible) {
  if (target.hidden === visible) target.hidden = !visible;
}

// Replaces the children only when `facts` differ from the last time: a selection, an open menu or
// the keyboard's focus inside would be lost otherwise.
export function redrawOn(target, facts, draw) {
  const signature = JSON.stringify(facts);
  if (target.drawnFrom === signature) return;
  target.drawnFrom = signature;
  target.replaceChildren(...draw());
}
