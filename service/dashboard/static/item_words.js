// Two models word for word: what was asked, and what each of them answered.

import { element } from "./dom.js";
import { count, plural } from "./format.js";
import { kindOf, namesOf } from "./item_map.js";

const PAGE = 10;

// A part that asks for its words once it is opened. `first`, `second`: {label, scores}, scores on
// the same items in the same order; `load()` gives {questions, first, second}, the latter two by
// the item's place, or undefined where they are not kept.
export function itemWords(task, first, second, load) {
  const body = element("div", { class: "stack" });
  const part = element("details", {}, element("summary", {}, `Questions and answers of ${task}`), body);
  part.addEventListener("toggle", async () => {
    if (!part.open || body.hasChildNodes()) return;
    body.replaceChildren(element("p", { class: "quiet" }, "Loading…"));
    try {
      const words = await load();
      body.replaceChildren(...(words.questions ? chooser(first, second, words) : [notKept()]));
    } catch (error) {
      body.replaceChildren(element("p", { class: "failed" }, `This could not be loaded: ${error.message}.`));
    }
  });
  return part;
}

const notKept = () => element("p", { class: "quiet" }, "The questions of this job are not kept.");

function chooser(first, second, words) {
  const places = first.scores.map((score, place) => ({ place, kind: kindOf(score, second.scores[place]) }));
  const kinds = namesOf(first.label, second.label).map(([kind, name]) => [kind, name, places.filter((one) => one.kind === kind)]);
  // What sets the two apart comes first.
  const start = ["first", "second", "none", "both"].find((wanted) => places.some(({ kind }) => kind === wanted));
  const select = element("select", {}, ...kinds.map(([kind, name, members]) =>
    element("option", { value: kind, selected: kind === start }, `${name} (${count(members.length)})`)));
  const list = element("ol", { class: "words" });
  const more = element("button", { type: "button" });
  let shown = 0;

  function grow() {
    const members = kinds.find(([kind]) => kind === select.value)[2];
    list.append(...members.slice(shown, shown + PAGE).map(({ place }) => oneItem(place, first, second, words)));
    shown = Math.min(shown + PAGE, members.length);
    more.hidden = shown === members.length;
    more.textContent = `Show more of ${plural(members.length - shown, "item")}`;
  }

  function begin() {
    shown = 0;
    list.replaceChildren();
    grow();
  }

  select.addEventListener("change", begin);
  more.addEventListener("click", grow);
  begin();
  return [element("label", { class: "quiet" }, "Items with ", select), list, more];
}

function oneItem(place, first, second, { questions, ...words }) {
  const { text, reference } = questions[place];
  const side = ({ label, scores }, texts) => {
    const right = scores[place] >= 0.5;
    return element(
      "section",
      { class: right ? "correct" : "wrong" },
      element("h4", {}, label, element("span", { class: "mark" }, right ? "✓ right" : "✗ wrong")),
      texts?.[place] === undefined
        ? element("p", { class: "quiet" }, "This answer is not kept.")
        : element("pre", { class: "wrap" }, texts[place] || "(nothing)"),
    );
  };
  return element(
    "li",
    { value: place + 1 },
    element("p", { class: "question" }, text),
    element("p", { class: "quiet" }, "Reference: ", element("code", {}, reference)),
    element("div", { class: "columns" }, side(first, words.first), side(second, words.second)),
  );
}
