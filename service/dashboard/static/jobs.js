// The job list.

import { getJson } from "./api.js";
import { byId, element, redrawOn, setText, show } from "./dom.js";
import { bestOf } from "./fitness.js";
import { count, duration, elapsed, moment, percent, plural, points } from "./format.js";
import { coalesced, paced } from "./pace.js";
import { follow } from "./stream.js";
import { hasEnded, phaseSentence } from "./words.js";

const RETRY_MS = 3000;
const COLUMNS = ["State", "Trials", "Best fitness", "Best parent", "Started", "Elapsed"];
const jobs = new Map();
const lines = new Map();
const bestParents = new Map();
const stale = new Set();
let listStale = true;
let loaded = false;

const refresh = coalesced(async () => {
  try {
    await fetchStale();
    show(byId("notice"), false);
  } catch (error) {
    listStale = true;
    setText(byId("notice"), `The jobs could not be loaded: ${error.message}. Trying again…`);
    show(byId("notice"), true);
    setTimeout(refresh, RETRY_MS);
  }
  render();
}, 1000);
const render = paced(draw);

async function fetchStale() {
  if (listStale) {
    listStale = false;
    stale.clear();
    const latest = await getJson("/v1/jobs");
    jobs.clear();
    for (const job of latest) jobs.set(job.id, job);
    loaded = true;
    render();
  } else {
    const ids = [...stale].filter((id) => jobs.has(id));
    stale.clear();
    for (const id of ids) jobs.set(id, await getJson(`/v1/jobs/${id}`));
  }
  for (const job of jobs.values()) await fetchBestParent(job);
}

// Parents are scored before the first trial and stay as they are.
async function fetchBestParent(job) {
  if (job.trials_finished + job.trials_failed === 0 || bestParents.has(job.id)) return;
  const query = "split=search&kind=parent";
  const parents = await getJson(`/v1/jobs/${job.id}/evaluations?${query}`);
  const { spec } = job.spec ? job : await getJson(`/v1/jobs/${job.id}`);
  bestParents.set(job.id, bestOf(parents, spec.tasks));
}

function draw() {
  if (!loaded) return;
  const all = [...jobs.values()];
  show(byId("loading"), false);
  show(byId("empty"), all.length === 0);
  show(byId("jobs"), all.length > 0);
  show(byId("scale"), all.length > 0);
  const running = all.filter((job) => !hasEnded(job)).length;
  setText(byId("summary"), all.length ? `${plural(all.length, "job")}, ${running} active` : "");
  const wanted = all.map(lineOf);
  const drawn = byId("rows");
  // Lines that stay are not moved: the keyboard's focus stays with them.
  const moved = (line, at) => drawn.children[at] !== line;
  if (wanted.length !== drawn.children.length || wanted.some(moved)) {
    drawn.replaceChildren(...wanted);
  }
  tick();
}

function lineOf(job) {
  const line = lines.get(job.id) ?? newLine(job);
  lines.set(job.id, line);
  const [state, trials, best, parent, started] = line.querySelectorAll("td");
  redrawOn(state, [job.state, job.phase], () => stateOf(job));
  redrawOn(trials, [job.trials_finished, job.trials_failed], () => trialsOf(job));
  const rival = bestParents.get(job.id) ?? null;
  redrawOn(best, [job.best, rival], () => bestFitnessOf(job, rival));
  redrawOn(parent, rival, () =>
    rival ? [number(percent(rival.fitness)), note(rival.evaluation.label)] : ["–"],
  );
  redrawOn(started, job.started_at, () => [job.started_at ? time(job.started_at) : "–"]);
  return line;
}

function newLine(job) {
  const name = element("a", { href: `/jobs/${job.id}` }, job.name);
  const heading = element("th", { scope: "row" }, name, " ", element("span", { class: "id" }, job.id.slice(0, 8)));
  const cells = COLUMNS.map((label) => element("td", { "data-label": label }));
  cells.at(-1).append(element("span", { class: "number elapsed" }, "–"));
  return element("tr", { "data-job": job.id }, heading, ...cells);
}

function stateOf(job) {
  const badge = element("span", { class: "badge", "data-state": job.state }, job.state);
  return job.state === "running" ? [badge, note(phaseSentence(job.phase))] : [badge];
}

function trialsOf(job) {
  const done = job.trials_finished + job.trials_failed;
  const label = `Trials of ${job.name}`;
  return [
    number(job.trials_total === null ? count(done) : `${count(done)} of ${count(job.trials_total)}`),
    element("progress", { max: job.trials_total, value: job.trials_total && done, "aria-label": label }),
  ];
}

function bestFitnessOf(job, rival) {
  if (!job.best) return ["–"];
  const best = element("span", { class: "number strong" }, percent(job.best.fitness));
  if (!rival) return [best];
  const gain = job.best.fitness - rival.fitness;
  return [best, note(`${points(gain)} points`, gain > 0 ? "good" : "")];
}

const number = (text) => element("span", { class: "number" }, text);
const note = (text, kind = "") => element("span", { class: `quiet ${kind}` }, text);
const time = (iso) => element("time", { datetime: iso }, moment(iso));

function tick() {
  for (const line of byId("rows").children) {
    const seconds = elapsed(jobs.get(line.dataset.job) ?? {});
    if (seconds !== null) setText(line.querySelector(".elapsed"), duration(seconds));
  }
}

setInterval(tick, 1000);
refresh();
follow({
  cursor: byId("main").dataset.cursor,
  onEvent(kind, data) {
    if (kind === "job.created") listStale = true;
    stale.add(data.job);
    refresh();
  },
  onLost: () => show(byId("offline"), true),
  onResumed() {
    show(byId("offline"), false);
    listStale = true;
    refresh();
  },
});
