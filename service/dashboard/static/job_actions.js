// What may be done with a job: pause, resume, cancel, extend, export, begin another like it.

import { ApiError, at, postJson } from "./api.js";
import { byId, setText, show } from "./dom.js";
import { hasEnded } from "./words.js";

// `changed()` after the job is another; `complain(text)` where the service refuses.
export function jobActions(data, { changed, complain }) {
  async function post(path, body) {
    try {
      return await postJson(`${data.path}/${path}`, body);
    } catch (error) {
      complain(error instanceof ApiError ? `Refused: ${error.message}.` : `${error.message}.`);
      return null;
    }
  }

  // The answer is the job as it is now.
  async function ask(path, body = {}) {
    data.job = (await post(path, body)) ?? data.job;
    changed();
  }

  function cancel() {
    byId("confirm").close();
    ask("cancel");
  }

  function extend(event) {
    event.preventDefault();
    byId("more").close();
    ask("extend", { trials: byId("more-trials").valueAsNumber });
  }

  async function exportBest() {
    const button = byId("export");
    button.disabled = true;
    if (await post("exports", {})) data.stale.add("exports");
    button.disabled = false;
    changed();
  }

  const opens = (button, dialog) => byId(button).addEventListener("click", () => byId(dialog).showModal());
  const closes = (button, dialog) => byId(button).addEventListener("click", () => byId(dialog).close());
  opens("cancel", "confirm");
  closes("keep", "confirm");
  byId("stop").addEventListener("click", cancel);
  opens("extend", "more");
  closes("enough", "more");
  byId("more-form").addEventListener("submit", extend);
  byId("export").addEventListener("click", exportBest);
  // What is being evaluated ends first, unless that is asked for once more.
  byId("pause").addEventListener("click", () => ask(data.job.state === "pausing" ? "pause?now=true" : "pause"));
  byId("resume").addEventListener("click", () => ask("resume"));
}

// Which buttons there are.
export function drawActions(data) {
  const { job } = data;
  const over = hasEnded(job);
  showOneOf(byId("pause"), byId("resume"), job.state);
  show(byId("cancel"), !over);
  byId("cancel").disabled = job.state === "cancelling";
  setText(byId("cancel"), job.state === "cancelling" ? "Cancelling…" : "Cancel search");
  show(byId("extend"), job.state === "finished" && Boolean(job.spec.stages.at(-1).budget.trials));
  byId("export").disabled = data.chosen() === null;
  byId("clone").href = at(`/new?from=${job.id}`);
  if (over && byId("confirm").open) byId("confirm").close();
}

// The keyboard's focus goes from the one that disappears to the other.
function showOneOf(pause, resume, state) {
  const focused = document.activeElement;
  setText(pause, state === "pausing" ? "Pause at once" : "Pause");
  show(pause, ["queued", "running", "pausing"].includes(state));
  show(resume, ["pausing", "paused"].includes(state));
  if (focused === pause && pause.hidden) resume.focus();
  if (focused === resume && resume.hidden) pause.focus();
}
