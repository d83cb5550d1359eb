// What may be done with a job: cancel, extend, export, begin another like it.

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

  async function cancel() {
    byId("confirm").close();
    data.job = (await post("cancel", {})) ?? data.job;
    changed();
  }

  async function extend(event) {
    event.preventDefault();
    byId("more").close();
    data.job = (await post("extend", { trials: byId("more-trials").valueAsNumber })) ?? data.job;
    changed();
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
}

// Which buttons there are.
export function drawActions(data) {
  const { job } = data;
  const over = hasEnded(job);
  show(byId("cancel"), !over);
  byId("cancel").disabled = job.state === "cancelling";
  setText(byId("cancel"), job.state === "cancelling" ? "Cancelling…" : "Cancel search");
  show(byId("extend"), job.state === "finished" && Boolean(job.spec.stages.at(-1).budget.trials));
  byId("export").disabled = data.chosen() === null;
  byId("clone").href = at(`/new?from=${job.id}`);
  if (over && byId("confirm").open) byId("confirm").close();
}
