// Which jobs the list shows, in which order: what the controls say, kept in the page's address.

export const PAGE = 25;
const ACTIVE = ["queued", "running", "cancelling"];
const DEFAULTS = { q: "", state: "all", sort: "newest", page: 1 };

const done = (job) => job.trials_finished + job.trials_failed;
const ORDERS = {
  newest: (a, b) => b.created_at.localeCompare(a.created_at),
  oldest: (a, b) => a.created_at.localeCompare(b.created_at),
  name: (a, b) => a.name.localeCompare(b.name),
  fitness: (a, b) => (b.best?.fitness ?? -1) - (a.best?.fitness ?? -1),
  trials: (a, b) => done(b) - done(a),
};

export function readFilter() {
  const query = new URLSearchParams(location.search);
  const filter = { ...DEFAULTS, ...Object.fromEntries(query) };
  return {
    q: filter.q,
    state: filter.state,
    sort: Object.hasOwn(ORDERS, filter.sort) ? filter.sort : DEFAULTS.sort,
    page: Math.max(1, Number.parseInt(filter.page, 10) || 1),
  };
}

export function writeFilter(filter) {
  const changed = Object.entries(filter).filter(([name, value]) => value !== DEFAULTS[name]);
  const query = new URLSearchParams(changed).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

// The jobs of the page, how many there are on all pages, and how many pages that is. A page beyond
// the last is the last.
export function filtered(jobs, filter) {
  const words = filter.q.trim().toLowerCase();
  const found = jobs
    .filter((job) => hasState(job, filter.state))
    .filter((job) => `${job.name} ${job.id} ${job.owner ?? ""}`.toLowerCase().includes(words))
    .sort((a, b) => ORDERS[filter.sort](a, b) || a.id.localeCompare(b.id));
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  const page = Math.min(filter.page, pages);
  return { shown: found.slice((page - 1) * PAGE, page * PAGE), count: found.length, page, pages };
}

function hasState(job, state) {
  if (state === "all") return true;
  return state === "active" ? ACTIVE.includes(job.state) : job.state === state;
}
