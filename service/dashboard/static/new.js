// The form for a new job: every change is checked by the service, which also writes the YAML.

import { ApiError, at, getJson, postJson } from "./api.js";
import { byId, element, setText, show } from "./dom.js";
import { EMPTY, fieldsOf, withFields } from "./draft.js";
import { count } from "./format.js";
import { coalesced } from "./pace.js";

const GAP_MS = 250;
const TEXTS = ["name", "kind", "method", "base", "sampler"];
const NUMBERS = ["seed", "items", "groups", "trials"];
let spec = EMPTY;
let choices = null;

const check = coalesced(async () => {
  try {
    drawDraft(await postJson("/v1/drafts", draft()));
    show(byId("notice"), false);
  } catch (error) {
    complain(`The draft could not be checked: ${error.message}.`);
  }
}, GAP_MS);

function draft() {
  const fields = { models: checked("models"), tasks: checked("tasks") };
  for (const id of TEXTS) fields[id] = byId(id).value;
  for (const id of NUMBERS) fields[id] = byId(id).value === "" ? null : byId(id).valueAsNumber;
  return withFields(spec, fields);
}

const checked = (id) => [...byId(id).querySelectorAll("input:checked")].map(({ value }) => value);

function drawDraft({ yaml, curl, errors, stages, items }) {
  const valid = errors.length === 0;
  byId("submit").disabled = !valid;
  setText(byId("verdict"), valid ? "This can start as it is." : `${errors.length === 1 ? "One thing is" : `${errors.length} things are`} still missing or wrong:`);
  byId("errors").replaceChildren(
    ...errors.map(({ field, message }) => element("li", {}, element("code", {}, field), " ", element("span", { class: "reason" }, message))),
  );
  for (const control of document.querySelectorAll("[data-field]")) {
    const mine = errors.some(({ field }) => field.startsWith(control.dataset.field));
    control.toggleAttribute("data-wrong", mine);
    if (control.matches("input, select")) control.setAttribute("aria-invalid", mine);
  }
  const trials = stages.reduce((sum, stage) => sum + (stage.trials ?? 0), 0);
  const facts = valid
    ? [
        ["Genes", stages.map(({ genes }) => count(genes)).join(" + ")],
        ["Trials at most", count(trials)],
        ["Items a trial", items === null ? "known once loaded" : count(items)],
        ["Items in all, at most", items === null ? "–" : count(items * trials)],
      ]
    : [];
  byId("estimate").replaceChildren(...facts.map(([term, words]) => element("div", {}, element("dt", {}, term), element("dd", {}, words))));
  setText(byId("yaml"), yaml);
  setText(byId("curl"), curl);
}

function fill(fields) {
  const known = choices.models.includes.bind(choices.models);
  const models = [...choices.models, ...fields.models.filter((ref) => !known(ref))];
  byId("models").replaceChildren(...models.map((ref) => option(ref, "", fields.models.includes(ref))));
  show(byId("no-models"), models.length === 0);
  byId("tasks").replaceChildren(...tasksOf(fields).map(({ name, summary }) => option(name, summary, fields.tasks.includes(name))));
  byId("method").replaceChildren(...choices.methods.map(({ name }) => element("option", { value: name }, name.replaceAll("_", " "))));
  drawBases(fields.base);
  for (const id of TEXTS) byId(id).value = fields[id];
  for (const id of NUMBERS) byId(id).value = fields[id] ?? "";
  const later = spec.stages.length - 1;
  show(byId("stages"), later > 0);
  setText(byId("stages"), `These are the first stage’s settings; ${later} more of the cloned job are kept as they are.`);
  change();
}

// Without the many pairs of number tasks, unless one is chosen.
function tasksOf({ tasks }) {
  const listed = choices.tasks.filter(({ name }) => !name.startsWith("numbers_") || tasks.includes(name));
  const other = tasks.filter((name) => !listed.some((task) => task.name === name));
  return [...listed, ...other.map((name) => ({ name, summary: "" }))];
}

function option(value, summary, chosen) {
  const box = element("input", { type: "checkbox", value, checked: chosen });
  return element("li", {}, element("label", {}, box, element("code", {}, value), summary ? element("span", { class: "quiet" }, summary) : ""));
}

// The base is one of the models that take part, or none.
function drawBases(wanted) {
  const refs = checked("models");
  const base = byId("base");
  base.replaceChildren(element("option", { value: "" }, "none"), ...refs.map((ref) => element("option", { value: ref }, ref)));
  base.value = refs.includes(wanted) ? wanted : "";
}

function change() {
  drawBases(byId("base").value);
  const weights = byId("kind").value === "parameter";
  for (const id of ["method", "base", "groups"]) show(byId(id).closest("label"), weights);
  show(byId("method-summary"), weights);
  const method = choices.methods.find(({ name }) => name === byId("method").value);
  const base = { required: "It needs a base model.", optional: "A base model is optional.", none: "It takes no base model." };
  setText(byId("method-summary"), method ? `${sentence(method.summary)} ${base[method.base]}` : "");
  check();
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;

function add() {
  const ref = byId("other").value.trim();
  if (ref) byId("models").append(option(ref, "", true));
  byId("other").value = "";
  change();
}

async function submit(event) {
  event.preventDefault();
  byId("submit").disabled = true;
  try {
    const job = await postJson("/v1/jobs", draft());
    location.assign(at(`/jobs/${job.id}`));
  } catch (error) {
    complain(error instanceof ApiError ? `Refused: ${error.message}.` : `${error.message}.`);
    byId("submit").disabled = false;
  }
}

function complain(text) {
  setText(byId("notice"), text);
  show(byId("notice"), true);
}

async function begin() {
  const from = new URLSearchParams(location.search).get("from");
  try {
    choices = await getJson("/v1/drafts/choices");
    if (from) spec = (await getJson(`/v1/jobs/${from}`)).spec;
  } catch (error) {
    complain(`The form could not be loaded: ${error.message}.`);
    return;
  } finally {
    show(byId("loading"), false);
  }
  show(byId("form"), true);
  fill(fieldsOf(spec));
}

byId("form").addEventListener("input", (event) => {
  if (event.target.id !== "other") change();
});
byId("form").addEventListener("submit", submit);
byId("add").addEventListener("click", add);
begin();
