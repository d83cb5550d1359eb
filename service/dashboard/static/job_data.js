// What a job's page knows, brought up to date by events: trials one by one, the rest by asking.

import { getJson } from "./api.js";
import { fitnessOf } from "./fitness.js";

const PAGE = 2000;
const COLUMNS = 10_000;
// What the first figure is drawn from.
const FIRST = ["job", "trials", "parents"];
// An estimated trial may be scored whole in the end.
const ENDED = ["trial.finished", "trial.rescored"];

export class JobData {
  #cursor = 0;
  #ordered = { revision: 0, trials: [] };

  constructor(id) {
    this.path = `/v1/jobs/${id}`;
    this.job = null;
    this.best = null;
    this.parents = [];
    this.select = [];
    this.holdout = [];
    // The API's result: the winner against everything, and how often the holdout was looked at.
    this.result = null;
    this.exports = [];
    // Trials that stand for what a person would try by hand: {trial, label}.
    this.seeds = [];
    this.trials = new Map();
    // Counts what was learned of trials: the same number, the same trials.
    this.revision = 0;
    this.failed = 0;
    // Trials that racing stopped before all items were scored: their fitness is an estimate.
    this.stopped = 0;
    // Trials that were scored on anchors alone, for an estimate of their fitness.
    this.estimated = 0;
    // The trial of the highest fitness of those scored whole, the first of several.
    this.top = null;
    // How many events came in, and how many of them were not the end of a trial.
    this.told = 0;
    this.toldOfJob = 0;
    this.stale = new Set();
    this.staleAll();
  }

  // Everything is asked for again: at the start, and when events may have been missed.
  staleAll() {
    this.stale = new Set(["job", "trials", "best", "parents", "seeds", "select", "holdout", "exports"]);
  }

  // Takes in one event; whatever it does not say whole is asked for.
  take(kind, data) {
    this.told += 1;
    if (!ENDED.includes(kind)) this.toldOfJob += 1;
    if (ENDED.includes(kind) && Number.isInteger(data.trial)) {
      this.#keep({ ...data, number: data.trial, finished_at: data.at });
      if (this.chosen() !== this.best?.trial) this.stale.add("best");
    } else if (kind === "evaluation.finished") {
      this.stale.add(data.split === "search" ? "parents" : data.split);
    } else if (kind === "holdout.used") {
      this.stale.add("job").add("best").add("holdout");
    } else if (kind === "stage.seeded") {
      this.stale.add("seeds");
    } else if (kind.startsWith("export.")) {
      this.stale.add("exports");
    } else {
      this.stale.add("job").add("best");
    }
  }

  // Asks for what is stale. What could not be had stays stale. `drawable()`, if given, is called as
  // soon as what the first figure needs is there.
  async refresh(drawable) {
    const parts = [...this.stale];
    this.stale.clear();
    try {
      // Whether there is a best trial to ask for hangs on the job; all else is asked for at once.
      const job = parts.includes("job") ? this.#fetch("job") : null;
      const asked = new Map(parts.map((part) => [part, part === "job" ? job : this.#fetch(part, job)]));
      const first = FIRST.map((part) => asked.get(part));
      await Promise.all([Promise.all(first).then(drawable), ...asked.values()]);
    } catch (error) {
      for (const part of parts) this.stale.add(part);
      throw error;
    }
  }

  async #fetch(part, job) {
    if (part === "job") this.job = await getJson(this.path);
    else if (part === "trials") await this.#fetchTrials();
    else if (part === "seeds") this.seeds = await getJson(`${this.path}/panels/seeds`);
    else if (part === "parents") this.parents = await this.#evaluations("split=search&kind=parent");
    else if (part === "select") this.select = await this.#evaluations("split=select");
    else if (part === "exports") this.exports = await getJson(`${this.path}/exports`);
    else if (part === "best") {
      await job;
      await this.#fetchBest();
    } else if (part === "holdout") {
      // Together, as one is drawn by the other.
      const asked = [getJson(`${this.path}/result`), this.#evaluations("split=holdout")];
      [this.result, this.holdout] = await Promise.all(asked);
    }
  }

  #evaluations(query) {
    return getJson(`${this.path}/evaluations?${query}`);
  }

  // Asking before there is a scored trial would be an error.
  async #fetchBest() {
    if (this.job.best || this.chosen() !== null) this.best = await getJson(`${this.path}/best`);
  }

  // What came after the last that was asked for: the first time everything.
  async #fetchTrials() {
    for (let full = true; full; ) {
      const { cursor, ...told } = await getJson(`${this.path}/history?since=${this.#cursor}&limit=${COLUMNS}`);
      const { trial: numbers, at: times, ...columns } = told;
      const names = Object.keys(columns);
      numbers.forEach((number, at) => {
        const trial = { number, finished_at: times[at] };
        for (const name of names) trial[name] = columns[name][at];
        this.#keep(trial);
      });
      this.#cursor = cursor;
      full = numbers.length === COLUMNS;
    }
  }

  // Trials that have ended, with all that the API says of them: events leave out their genomes.
  async wholeTrials() {
    const found = [];
    for (let after = -1, full = true; full; ) {
      const page = await getJson(`${this.path}/trials?after=${after}&limit=${PAGE}`);
      found.push(...page.filter(({ state }) => state !== "pending"));
      full = page.length === PAGE;
      after = page.at(-1)?.number;
    }
    return found;
  }

  #keep(trial) {
    const known = this.trials.get(trial.number);
    // The stream may have told of a later score already.
    if (known && Date.parse(known.finished_at) > Date.parse(trial.finished_at)) return;
    this.trials.set(trial.number, trial);
    this.revision += 1;
    if (known?.state === trial.state) return;
    if (known?.state === "estimated") this.estimated -= 1;
    if (trial.fitness === null) this.failed += 1;
    else if (trial.state === "stopped") this.stopped += 1;
    else if (trial.state === "estimated") this.estimated += 1;
    else if (this.top === null || beats(trial, this.top)) this.top = trial;
  }

  get tasks() {
    return this.job.spec.tasks;
  }

  // Trials that have ended, in order of number.
  ended() {
    if (this.#ordered.revision !== this.revision) {
      const trials = [...this.trials.values()].sort((a, b) => a.number - b.number);
      this.#ordered = { revision: this.revision, trials };
    }
    return this.#ordered.trials;
  }

  // The number of the winner or, before it is fixed, of the trial of the highest fitness.
  chosen() {
    return this.job?.winner ?? this.top?.number ?? null;
  }

  // Parents with their fitness on the search split, best first.
  parentFitness() {
    return this.parents
      .filter(({ scores }) => scores.length > 0)
      .map(({ label, scores }) => ({ label, fitness: fitnessOf(scores, this.tasks) }))
      .sort((a, b) => b.fitness - a.fitness);
  }
}

// Missing constraints by less comes first, then fitness.
function beats(a, b) {
  if (a.shortfall !== b.shortfall) return a.shortfall < b.shortfall;
  return a.fitness > b.fitness || (a.fitness === b.fitness && a.number < b.number);
}
