// The job list.

import { at, getJson } from "./api.js";
import { byId, setText, show } from "./dom.js";
import { plural } from "./format.js";
import { filtered, readFilter, writeFilter } from "./job_filter.js";
import { fillRow, newRow, tickRow } from "./job_rows.js";
import { coalesced, paced } from "./pace.js";
import { follow } from "./stream.js";
import { hasEnded } from "./words.js";

const RETRY_MS = 3000;
const MOST_JOBS = 500;
const MOST_COMPARED = 8;
const LOCAL_OWNER = "local";
const jobs = new Map();
const rows = new Map();
const glances = new Map();
const stale = new Set();
const picked = new Set();
const filter = readFilter();
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
const render = paced([draw]);

async function fetchStale() {
  if (listStale) {
    listStale = false;
    stale.clear();
    glances.clear();
    const latest = await getJson(`/v1/jobs?limit=${MOST_JOBS}`);
    jobs.clear();
    for (const job of latest) jobs.set(job.id, job);
    loaded = true;
    render();
  } else {
    const ids = [...stale].filter((id) => jobs.has(id));
    stale.clear();
    for (const id of ids) {
      jobs.set(id, await getJson(`/v1/jobs/${id}`));
      glances.delete(id);
    }
  }
  await fetchGlances();
}

// Only for the lines that are shown.
async function fetchGlances() {
  for (const { id } of filtered([...jobs.values()], filter).shown) {
    if (!glances.has(id)) glances.set(id, await getJson(`/v1/jobs/${id}/panels/glance`));
    render();
  }
}

function draw() {
  if (!loaded) return;
  const all = [...jobs.values()];
  const { shown, count, page, pages } = filtered(all, filter);
  show(byId("loading"), false);
  show(byId("empty"), all.length === 0);
  show(byId("none"), all.length > 0 && count === 0);
  for (const id of ["filter", "scale"]) show(byId(id), all.length > 0);
  show(byId("jobs"), count > 0);
  // Without accounts all jobs are those of local mode.
  byId("jobs").classList.toggle("unowned", all.every(({ owner }) => owner === LOCAL_OWNER));
  const running = all.filter((job) => !hasEnded(job)).length;
  const found = count < all.length ? `${count} of ${plural(all.length, "job")}` : plural(all.length, "job");
  setText(byId("summary"), all.length ? `${found}, ${running} active` : "");
  drawRows(shown);
  show(byId("pages"), pages > 1);
  setText(byId("page"), `Page ${page} of ${pages}`);
  byId("previous").disabled = page === 1;
  byId("next").disabled = page === pages;
  filter.page = page;
}

function drawRows(shown) {
  const wanted = shown.map((job) => {
    const row = rows.get(job.id) ?? newRow(job, pick);
    rows.set(job.id, row);
    fillRow(row, job, glances.get(job.id) ?? null);
    return row;
  });
  const drawn = byId("rows");
  // Lines that stay are not moved: the keyboard's focus stays with them.
  const moved = (row, place) => drawn.children[place] !== row;
  if (wanted.length !== drawn.children.length || wanted.some(moved)) drawn.replaceChildren(...wanted);
}

function pick(id, chosen) {
  if (chosen) picked.add(id);
  else picked.delete(id);
  const enough = picked.size >= 2 && picked.size <= MOST_COMPARED;
  byId("compare").disabled = !enough;
  setText(byId("compare"), picked.size < 2 ? "Compare" : `Compare ${picked.size} jobs`);
}

function change(part) {
  Object.assign(filter, part);
  writeFilter(filter);
  render();
  refresh();
}

for (const name of ["q", "state", "sort"]) {
  byId(name).value = filter[name];
  byId(name).addEventListener("input", () => change({ [name]: byId(name).value, page: 1 }));
}
byId("previous").addEventListener("click", () => change({ page: filter.page - 1 }));
byId("next").addEventListener("click", () => change({ page: filter.page + 1 }));
byId("compare").addEventListener("click", () => location.assign(at(`/compare?jobs=${[...picked].join(",")}`)));
setInterval(() => {
  for (const row of byId("rows").children) tickRow(row, jobs.get(row.dataset.job) ?? {});
}, 1000);
refresh();
follow({
  cursor: byId("main").dataset.cursor,
  onEvent(kind, data) {
    if (kind === "job.created" || kind === "job.deleted") listStale = true;
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
