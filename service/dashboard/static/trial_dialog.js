// One trial: what it is made of, and its right and wrong items beside a parent's.

import { at, getJson } from "./api.js";
import { byId, element, redrawOn, setText, show } from "./dom.js";
import { isEstimate } from "./fitness.js";
import { count, percent, plural } from "./format.js";
import { itemMap } from "./item_map.js";
import { itemWords } from "./item_words.js";
import { once } from "./pace.js";
import { recipePicture } from "./recipe_picture.js";

// Returns `open(number)`. A trial has an address of its own: #trial-16.
export function trialDialog(data) {
  const dialog = byId("trial");
  const parent = byId("trial-parent");
  let number = null;

  function open(wanted) {
    const trial = data.trials.get(wanted);
    if (!trial) return;
    number = wanted;
    setText(byId("trial-title"), `Trial ${number}`);
    byId("trial-facts").replaceChildren(...facts(trial));
    byId("trial-picture").replaceChildren();
    byId("trial-items").replaceChildren();
    byId("trial-recipe").href = at(`${data.path}/trials/${number}/recipe.yaml`);
    const parents = data.parentFitness().map(({ label }) => label);
    redrawOn(parent, parents, () => parents.map((label) => element("option", {}, label)));
    show(parent.closest("label"), parents.length > 0);
    history.replaceState(null, "", `#trial-${number}`);
    if (!dialog.open) dialog.showModal();
    drawPicture(trial);
    drawItems(trial);
  }

  async function drawPicture(trial) {
    const picture = await asked(`${data.path}/panels/trials/${trial.number}/picture`, byId("trial-picture"));
    if (picture && number === trial.number) byId("trial-picture").replaceChildren(...recipePicture(picture));
  }

  async function drawItems(trial) {
    const target = byId("trial-items");
    const rival = parent.value;
    if (!rival || trial.fitness === null || isEstimate(trial)) {
      const why = trial.fitness === null ? "A failed trial has no item scores." : "It was not scored on all items, so there is nothing to lay beside a parent.";
      target.replaceChildren(element("p", { class: "quiet" }, why));
      return;
    }
    const path = (subject) => `${data.path}/panels/items?${new URLSearchParams({ subject })}`;
    const [ours, theirs, tests] = await Promise.all([
      asked(path(`trial/${trial.number}`), target),
      asked(path(`parent/${rival}`), target),
      asked(`${data.path}/compare?${new URLSearchParams({ first: trial.number, second: `parent/${rival}` })}`, target),
    ]);
    if (!ours || !theirs || !tests || number !== trial.number || rival !== parent.value) return;
    const label = `trial ${trial.number}`;
    const words = once(() => wordsOf(trial, rival));
    target.replaceChildren(
      ...Object.entries(tests.tasks).flatMap(([task, test]) => {
        const both = [{ label, scores: ours.scores[task] }, { label: rival, scores: theirs.scores[task] }];
        return [
          itemMap(task, ...both),
          element("p", {}, testWords(test, label, rival)),
          itemWords(task, ...both, async () => {
            const { questions, first, second } = await words();
            return { questions: questions[task], first: first[task], second: second[task] };
          }),
        ];
      }),
    );
  }

  async function wordsOf(trial, rival) {
    const answers = (subject) => getJson(`${data.path}/panels/answers?${new URLSearchParams({ subject })}`);
    const [questions, first, second] = await Promise.all([
      getJson(`${data.path}/panels/questions`),
      answers(`trial/${trial.number}`),
      answers(`parent/${rival}`),
    ]);
    return { questions, first, second };
  }

  parent.addEventListener("change", () => drawItems(data.trials.get(number)));
  byId("trial-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
  return open;
}

// The number in the page's address, or null.
export function trialOfAddress() {
  const found = /^#trial-(\d+)$/.exec(location.hash);
  return found && Number(found[1]);
}

async function asked(path, target) {
  try {
    return await getJson(path);
  } catch (error) {
    target.replaceChildren(element("p", { class: "failed" }, `This could not be loaded: ${error.message}.`));
    return null;
  }
}

function facts(trial) {
  const known = {
    State: trial.reason ? `${trial.state}: ${trial.reason}` : trial.state,
    Fitness: trial.fitness === null ? "–" : `${isEstimate(trial) ? "about " : ""}${percent(trial.fitness)}`,
    Stage: `${trial.stage}, generation ${trial.generation}`,
    Scored: `${plural(trial.n ?? 0, "item")}, ${count(trial.tokens ?? 0)} tokens`,
  };
  if (trial.same_as !== null && trial.same_as !== undefined) known["Same child as"] = `trial ${trial.same_as}`;
  return Object.entries(known).map(([term, words]) => element("div", {}, element("dt", {}, term), element("dd", {}, words)));
}

function testWords({ first_better: more, second_better: fewer, p }, label, rival) {
  const chance = p < 0.0001 ? "p < 0.0001" : `p = ${p.toFixed(4)}`;
  return `${label[0].toUpperCase()}${label.slice(1)} solves ${plural(more, "item")} that ${rival} misses, and misses ${count(fewer)} that it solves (McNemar’s exact test: ${chance}).`;
}
